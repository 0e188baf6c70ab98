"""What the system checks say about this app."""

from __future__ import annotations

from collections.abc import Callable

from django.core.checks import CheckMessage, run_checks

KEY = "CANARY-KEY-5d41402abc4b2a76b9719d911017c592"  # the suite's API_KEY
LONG_KEYS = ["n" * 32, "o" * 40]
SHARED_CACHE = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache"}}

ConvaiSettings = Callable[..., None]


def found(*, deploy: bool = False) -> list[CheckMessage]:
    """Return what Django's registered checks say about this app; each has to come with a hint."""
    messages = [
        message
        for message in run_checks(include_deployment_checks=deploy)
        if (message.id or "").startswith("convai_tokens.")
    ]
    assert all(message.hint for message in messages)
    assert KEY not in repr([(message.msg, message.hint) for message in messages])
    return messages


def ids(*, deploy: bool = False) -> list[str]:
    return [str(message.id).removeprefix("convai_tokens.") for message in found(deploy=deploy)]
