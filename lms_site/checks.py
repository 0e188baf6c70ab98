"""The site's own system check, run by ``manage.py check`` and before other commands."""

from __future__ import annotations

import stat
from typing import Any

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name

from . import environment


def check_env_file(**kwargs: Any) -> list[CheckMessage]:
    """W001: every user of this machine may read the file that holds the site's secrets."""
    file = environment.ENV_FILE
    if not file.is_file() or not file.stat().st_mode & stat.S_IROTH:
        return []
    return [
        Warning(
            f"Everybody on this machine may read {file}.",
            hint=f"Let its owner alone read it: chmod 600 {file}",
            id="lms_site.W001",
        )
    ]
