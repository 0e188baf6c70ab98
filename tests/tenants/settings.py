"""The suite's site, for schools with django-tenants, on the PostgreSQL of DATABASE_URL."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tests.settings import CONVAI_TOKENS, DATABASES, INSTALLED_APPS, MIDDLEWARE

DATABASES["default"]["ENGINE"] = "django_tenants.postgresql_backend"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
SHARED_APPS = ["django_tenants", "tests.tenants", "django.contrib.contenttypes"]
TENANT_APPS = INSTALLED_APPS
INSTALLED_APPS = [*SHARED_APPS, *(app for app in TENANT_APPS if app not in SHARED_APPS)]
TENANT_MODEL, TENANT_DOMAIN_MODEL = "tenants.School", "tenants.Domain"
MIDDLEWARE = ["django_tenants.middleware.main.TenantMainMiddleware", *MIDDLEWARE]
CONVAI_TOKENS = {
    **CONVAI_TOKENS,
    "BASE_URL": os.environ["CONVAI_BASE_URL"],
    "DISPATCHER": os.environ["CONVAI_DISPATCHER"],
}
