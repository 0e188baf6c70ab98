"""The site is an app of its own, so that Django runs its check."""

from __future__ import annotations

from tests.lms_site.environments import PRODUCTION, run

SCRIPT = """
import django
django.setup()
from django.core.checks.registry import registry
from lms_site.checks import check_env_file
print(check_env_file in registry.get_checks())
"""


def test_the_sites_check_is_registered_once_django_is_set_up() -> None:
    done = run("-c", SCRIPT, **PRODUCTION, DJANGO_SETTINGS_MODULE="lms_site.settings")

    assert done.stdout == "True\n", done.stderr
