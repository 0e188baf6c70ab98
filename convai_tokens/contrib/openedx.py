"""Open edX: the app as a plugin of its LMS, which ``pip install`` is enough for.

edX finds ``plugin_app`` by the entry point ``lms.djangoapp``. Its logins are Django sessions, so
there is nothing else to serve. Imports nothing, for edX asks while its settings are being read.
"""

from __future__ import annotations

import os
from typing import Any

MIDDLEWARE = "convai_tokens.middleware.ConvaiTokenMiddleware"
SETTINGS = {"relative_path": "contrib.openedx"}
PLUGIN_APP: dict[str, Any] = {
    "url_config": {
        "lms.djangoapp": {
            "namespace": "convai_tokens",
            "regex": r"^convai/",
            "relative_path": "urls",
        }
    },
    "settings_config": {
        "lms.djangoapp": dict.fromkeys(("common", "devstack", "production", "test"), SETTINGS)
    },
}


def plugin_settings(settings: Any) -> None:
    """Complete edX's settings: the middleware, and ``CONVAI_TOKENS`` of its configuration.

    Any number of times: edX calls it for its common settings, and again for those of the
    environment. An older edX keeps what it has read in ``ENV_TOKENS`` and ``AUTH_TOKENS``.
    """
    if MIDDLEWARE not in settings.MIDDLEWARE:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, MIDDLEWARE]
    variables = {"API_KEY": "CONVAI_API_KEY", "BASE_URL": "CONVAI_BASE_URL"}
    given: dict[str, Any] = {
        name: os.environ[variable] for name, variable in variables.items() if variable in os.environ
    }
    for files in ("ENV_TOKENS", "AUTH_TOKENS"):
        given |= getattr(settings, files, {}).get("CONVAI_TOKENS", {})
    settings.CONVAI_TOKENS = given | getattr(settings, "CONVAI_TOKENS", {})
