"""Connects the app to Django: signals, system checks, login stacks."""

from __future__ import annotations

import os

from django.apps import AppConfig
from django.core.checks import register
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from .contrib.openedx import PLUGIN_APP


class ConvaiTokensConfig(AppConfig):
    name = "convai_tokens"
    verbose_name = _("Convai tokens")
    default_auto_field = "django.db.models.BigAutoField"
    plugin_app = PLUGIN_APP  # as Open edX looks for it

    def ready(self) -> None:
        from . import checks, contrib  # models are loaded only by now
        from .convai import client, failures
        from .dispatch import threads
        from .lifecycle import processes, retrying
        from .logins import receivers

        for check in checks.CHECKS:
            register(check, checks.TAG)
        for check in checks.DEPLOY_CHECKS:
            register(check, checks.TAG, deploy=True)
        failures.hide_secrets_from_urllib3()
        forgetting = (
            client.forget_client,
            threads.forget_threads,
            retrying.forget_retries,
            processes.forget_told,
        )
        for forget in forgetting:
            os.register_at_fork(after_in_child=forget)
        receivers.connect()
        contrib.connect()
        autodiscover_modules("convai_stack")  # the site's own login stacks
