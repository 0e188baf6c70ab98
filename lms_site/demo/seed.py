"""``python -m lms_site.demo.seed``: migrate, and make the users of the throw-away site.

Reads their passwords as a JSON object from standard input, so that no process list shows them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

import django
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import call_command


def seed(passwords: Mapping[str, str]) -> None:
    """Make two learners, an auditor who may view the audit, and an administrator."""
    users = get_user_model()._default_manager
    for name in ("learner", "second-learner"):
        users.create_user(name, password=passwords[name])
    auditor = users.create_user("auditor", password=passwords["auditor"], is_staff=True)
    permissions = apps.get_model("auth", "Permission")._default_manager
    auditor.user_permissions.set(
        permissions.filter(content_type__app_label="convai_tokens", codename__startswith="view_")
    )
    users.create_superuser("administrator", password=passwords["administrator"])


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lms_site.settings")
    django.setup()
    call_command("migrate", verbosity=0)
    seed(json.load(sys.stdin))
