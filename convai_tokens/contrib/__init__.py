"""The login stacks that are known by themselves: one short module for each, with ``connect()``."""

from __future__ import annotations

from importlib import import_module

from django.apps import apps

# The installed app that a stack is known by, and the module that serves it.
STACKS = {
    "allauth.headless": "convai_tokens.contrib.allauth_headless",
    "knox": "convai_tokens.contrib.knox",
    "oauth2_provider": "convai_tokens.contrib.oauth_toolkit",
    "rest_framework.authtoken": "convai_tokens.contrib.authtoken",
    "rest_framework_simplejwt.token_blacklist": "convai_tokens.contrib.simplejwt",
}


def connect() -> None:
    """Connect the stacks whose apps are installed; called in ``ready()``."""
    for app, module in STACKS.items():
        if apps.is_installed(app):
            import_module(module).connect()
