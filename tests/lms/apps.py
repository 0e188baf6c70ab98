from __future__ import annotations

from django.apps import AppConfig


class LmsConfig(AppConfig):
    name = "tests.lms"

    def ready(self) -> None:
        from convai_tokens.api import register_bearer_stack

        from .stack import CUSTOM  # models are loaded only by now

        register_bearer_stack(CUSTOM)
