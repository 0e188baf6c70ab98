"""Exit with status 0 if the database in DATABASE_URL answers."""

from __future__ import annotations

import sys

import environ
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.utils import OperationalError

settings.configure(DATABASES={"default": environ.Env().db_url("DATABASE_URL")})
try:
    connection.ensure_connection()
except (OperationalError, DatabaseError):
    sys.exit(1)
