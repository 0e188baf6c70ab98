"""Settings of the LMS site, read from the environment; ``.env.example`` lists the variables."""

from __future__ import annotations

import warnings
from datetime import timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from .environment import BASE_DIR, cache, database, env, secret, words
from .secret import Secret

DEBUG = env.bool("DJANGO_DEBUG", default=False)
# Plain http, for the demo and for tests on loopback.
INSECURE_HTTP = DEBUG or env.bool("DJANGO_INSECURE_HTTP", default=False)
BEHIND_PROXY = env.bool("DJANGO_BEHIND_PROXY", default=False)

SECRET_KEY = secret("DJANGO_SECRET_KEY", "django-insecure-only-for-debug" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "DJANGO_SECRET_KEY is missing. Copy .env.example to .env and set it there, name a file "
        "that holds it in DJANGO_SECRET_KEY_FILE, or set DJANGO_DEBUG=1 while developing. Make "
        "one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
    )
ALLOWED_HOSTS = words("DJANGO_ALLOWED_HOSTS")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "convai_tokens",
    "lms_site",
]

MIDDLEWARE = [
    "lms_site.middleware.ContentSecurityPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "convai_tokens.middleware.ConvaiTokenMiddleware",
]

# All that the site does for Convai: this dict, the app and the middleware above, one line in urls.
CONVAI_TOKENS = {
    "API_KEY": secret("CONVAI_API_KEY"),
    "BASE_URL": env.str("CONVAI_BASE_URL", default="https://api.convai.com"),
}
if encryption_keys := words("CONVAI_ENCRYPTION_KEYS"):
    CONVAI_TOKENS["ENCRYPTION_KEYS"] = [Secret(key) for key in encryption_keys]

ROOT_URLCONF = "lms_site.urls"
WSGI_APPLICATION = "lms_site.wsgi.application"
ASGI_APPLICATION = "lms_site.asgi.application"

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

DATABASES = {"default": database(default=BASE_DIR / "db.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": cache()}
SESSION_ENGINE = env.str("DJANGO_SESSION_ENGINE", default="django.contrib.sessions.backends.db")
# A forgotten kiosk logs its learner out: each request starts the minutes anew.
SESSION_COOKIE_AGE = 60 * env.int("DJANGO_SESSION_IDLE_MINUTES", default=30)
SESSION_SAVE_EVERY_REQUEST = True

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

REST_FRAMEWORK = {
    # The first one names the scheme of a 401; a session alone would make it a 403.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "lms_site.api.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["lms_site.api.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "lms_site.api.errors.exception_handler",
    # The second is for a whole school behind one address, at nine o'clock.
    "DEFAULT_THROTTLE_RATES": {
        "login_name": f"{env.int('DJANGO_LOGINS_PER_NAME', default=10)}/min",
        "login_address": f"{env.int('DJANGO_LOGINS_PER_ADDRESS', default=1200)}/min",
    },
    # Without a proxy, X-Forwarded-For is the client's own word on its address.
    "NUM_PROXIES": int(BEHIND_PROXY),
}
REST_KNOX = {
    "AUTH_HEADER_PREFIX": "Bearer",
    "TOKEN_TTL": timedelta(hours=10),
    "EXPIRY_DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%SZ",
}

LANGUAGE_CODE = "en-us"
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
# Where collectstatic copies the apps' files to, for a proxy that serves them. Nobody has to: the
# site serves them from where they are, and then WhiteNoise need not warn of the missing folder.
STATIC_ROOT = Path(env.str("DJANGO_STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
WHITENOISE_USE_FINDERS = True
warnings.filterwarnings("ignore", "No directory at: ")

# Secure unless told otherwise: everything over https, for this host and those below it.
SECURE_SSL_REDIRECT = not INSECURE_HTTP
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = (
    0 if INSECURE_HTTP else env.int("DJANGO_HSTS_SECONDS", default=30 * 24 * 60 * 60)
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
# On a browser's preload list a host stays for months, with all below it: a choice, no default.
SECURE_HSTS_PRELOAD = env.bool("DJANGO_HSTS_PRELOAD", default=False)
SILENCED_SYSTEM_CHECKS = ["security.W021"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = not INSECURE_HTTP
CSRF_COOKIE_SECURE = not INSECURE_HTTP
if not INSECURE_HTTP:
    # Browsers take a cookie of such a name from this very host alone, over https.
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
if BEHIND_PROXY:
    # Only behind a proxy that sets this header itself: a client's own would be believed.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOG_LEVEL = env.str("DJANGO_LOG_LEVEL", default="INFO").upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "line",
        }
    },
    "root": {"handlers": ["stdout"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL},
        # At DEBUG it shows each statement with its values: session keys, password hashes.
        "django.db.backends": {"level": "INFO"},
    },
}
