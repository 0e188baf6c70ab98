"""Settings of the suite: a small LMS with many login stacks, on any database."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import environ

env = environ.Env()
scratch = Path(tempfile.gettempdir()) / f"convai-tokens-tests-{os.getuid()}"
scratch.mkdir(exist_ok=True)

SECRET_KEY = "only-for-the-suite-" + "x" * 40
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = env.bool("USE_TZ", default=True)
TIME_ZONE = "UTC" if USE_TZ else "Asia/Tokyo"
ROOT_URLCONF = "tests.lms.urls"

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{scratch}/db.sqlite3")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, because threads with connections of their own must see the same tables.
    DATABASES["default"]["TEST"] = {"NAME": str(scratch / f"test-{os.getpid()}.sqlite3")}
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    }

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "rest_framework_simplejwt.token_blacklist",
    "knox",
    "oauth2_provider",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "impersonate",  # whose modules need their model
    "convai_tokens",
    "tests.lms",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "convai_tokens.middleware.ConvaiTokenMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "knox.auth.TokenAuthentication",
        "tests.lms.authentication.BearerAuthentication",
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "oauth2_provider.contrib.rest_framework.OAuth2Authentication",
        "allauth.headless.contrib.rest_framework.authentication.XSessionTokenAuthentication",
    ],
    "DEFAULT_THROTTLE_RATES": {"convai_token": "1000/min"},
}
HEADLESS_TOKEN_STRATEGY = "allauth.headless.tokens.strategies.jwt.JWTTokenStrategy"
HEADLESS_JWT_ALGORITHM = "HS256"
SIMPLE_JWT = {
    "AUTH_HEADER_TYPES": ["JWT"],
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "TOKEN_OBTAIN_SERIALIZER": (
        "convai_tokens.contrib.simplejwt_serializers.TokenObtainPairSerializer"
    ),
}
CONVAI_TOKENS = {
    "API_KEY": "CANARY-KEY-5d41402abc4b2a76b9719d911017c592",
    "BASE_URL": "http://127.0.0.1:9",  # nobody listens there; each test names its own sandbox
    "DISPATCHER": "convai_tokens.dispatch.inline",
    "LEARNER_RATE": 100_000,  # some tests log one learner in a thousand times
}
LOGGING = {"version": 1, "disable_existing_loggers": False}
