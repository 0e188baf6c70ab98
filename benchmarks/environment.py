"""The environment of the LMS site's processes under a benchmark."""

from __future__ import annotations

import os
from pathlib import Path

from lms_site.demo.throwaway import settings_for

NOWHERE = "http://127.0.0.1:9"  # the port of "discard", on which nobody listens


def environment_for(database_url: str, convai_url: str = NOWHERE) -> dict[str, str]:
    """Return the environment of a process that uses this database and this Convai."""
    return settings_for(Path(os.devnull), convai_url, os.environ) | {
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "DATABASE_URL": database_url,
        # All the load comes from one address, and some of it from one learner.
        "DJANGO_LOGINS_PER_NAME": "1000000",
        "DJANGO_LOGINS_PER_ADDRESS": "1000000",
    }
