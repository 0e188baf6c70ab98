"""Exit with status 0 if the database in DATABASE_URL answers; else say why not, and exit with 1."""

from __future__ import annotations

import sys

import environ
from django.conf import settings
from django.db import DatabaseError, connection

settings.configure(DATABASES={"default": environ.Env().db_url("DATABASE_URL")})
try:
    connection.ensure_connection()
except DatabaseError as error:
    print(error)
    sys.exit(1)
