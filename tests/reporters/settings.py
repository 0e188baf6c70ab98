"""The suite's LMS with a crash reporter, as its documentation says, and as talkative as can be."""

from __future__ import annotations

import os
from typing import Any

from tests.settings import *  # noqa: F403

REPORTER = os.environ["REPORTER"]
PORT = os.environ["COLLECTOR_PORT"]

SEAL = "CANARYSEAL-" + "s" * 40
CONVAI_TOKENS = {
    **CONVAI_TOKENS,  # noqa: F405
    "BASE_URL": os.environ["SANDBOX_URL"],
    "ENCRYPTION_KEYS": [SEAL],
    "READ_TIMEOUT": 1.0,
}
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["REPORTER_DATABASE"]}
}
ROOT_URLCONF = "tests.reporters.urls"

HANDLERS = {
    "rollbar": "rollbar.logger.RollbarHandler",
    "elastic": "elasticapm.contrib.django.handlers.LoggingHandler",
    "bugsnag": "bugsnag.handlers.BugsnagHandler",
}
if REPORTER in HANDLERS:  # Sentry takes the log by itself
    LOGGING: dict[str, Any] = {  # type: ignore[no-redef]
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"reporter": {"class": HANDLERS[REPORTER], "level": "WARNING"}},
        "root": {"handlers": ["reporter"], "level": "WARNING"},
    }
if REPORTER == "rollbar":
    MIDDLEWARE = [*MIDDLEWARE, "rollbar.contrib.django.middleware.RollbarNotifierMiddleware"]  # noqa: F405
    ROLLBAR = {
        "access_token": "of-nobody",
        "endpoint": f"http://127.0.0.1:{PORT}/api/1/",
        "handler": "blocking",
        "environment": "test",
        "scrub_fields": [],
        "locals": {
            "enabled": True,
            "sizes": {"maxlevel": 10, "maxdict": 100, "maxlist": 100, "maxstring": 10_000},
        },
    }
if REPORTER == "elastic":
    INSTALLED_APPS = ["elasticapm.contrib.django", *INSTALLED_APPS]  # noqa: F405
    MIDDLEWARE = ["elasticapm.contrib.django.middleware.TracingMiddleware", *MIDDLEWARE]
    ELASTIC_APM = {
        "SERVICE_NAME": "lms",
        "SERVER_URL": f"http://127.0.0.1:{PORT}",
        "DEBUG": True,
        "CENTRAL_CONFIG": False,
        "CLOUD_PROVIDER": "none",
        "METRICS_INTERVAL": "0s",
        "COLLECT_LOCAL_VARIABLES": "all",
        "CAPTURE_BODY": "all",
        "CAPTURE_HEADERS": True,
        "SANITIZE_FIELD_NAMES": ["nothing"],
        "SPAN_STACK_TRACE_MIN_DURATION": "0ms",
        "LOCAL_VAR_MAX_LENGTH": 10_000,
    }
if REPORTER == "bugsnag":
    MIDDLEWARE = ["bugsnag.django.middleware.BugsnagMiddleware", *MIDDLEWARE]
    BUGSNAG = {
        "api_key": "0" * 32,
        "endpoint": f"http://127.0.0.1:{PORT}",
        "session_endpoint": f"http://127.0.0.1:{PORT}",
        "auto_capture_sessions": False,
        "asynchronous": False,
        "send_environment": True,
        "params_filters": [],
        "project_root": str(BASE) if (BASE := os.getcwd()) else "",
    }
