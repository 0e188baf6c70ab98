"""Tells Django of the site's own system check."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks

from .checks import check_env_file


class LmsSiteConfig(AppConfig):
    name = "lms_site"

    def ready(self) -> None:
        checks.register(check_env_file)
