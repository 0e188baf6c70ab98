"""The login stacks whose learners present a bearer credential, as they are registered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from rest_framework.request import Request

from ..lifecycle.credential import Credential
from ..lifecycle.opening import latest_session_id
from ..lifecycle.vanished import ask
from .handed_out import LoginResponse

SESSION_STACK = "session"


@dataclass(frozen=True)
class BearerStack:
    """A login stack whose learners present a bearer credential.

    ``handed_out(login)`` returns, for each credential of this stack that a ``LoginResponse`` hands
    out, the id of its user and its identity; ``from_request(request)`` returns the identity of the
    one that a DRF request was authenticated with, None where it isn't this stack's. The same text
    for the same credential: any text that tells it from others, since only its keyed hash is kept.
    A response that hands one out is a login, with or without a signal.

    ``living(user_ids)`` returns the identities of all that these users may still present: by it
    the sweep sees an end that nobody told of, such as an expiry. ``is_alive(identity)`` tells
    whether the stack still accepts this one; where it is left out, ``living`` is asked.

    ``authentication_classes`` are dotted paths of the DRF classes, or of classes above them, that
    authenticate by it: the system checks tell by them which logins get no token. ``login_views``
    are dotted paths of its view classes that are a login whoever was logged in before.
    ``is_reused`` tells that a login may hand out what an earlier one did: its learner session goes
    on, and once that has ended, a login starts another.
    """

    name: str
    handed_out: Callable[[LoginResponse], Iterable[tuple[Any, str]]]
    from_request: Callable[[Request], str | None]
    living: Callable[[Collection[Any]], Iterable[str]] | None = None
    is_alive: Callable[[str], bool] | None = None
    authentication_classes: Sequence[str] = ()
    login_views: Sequence[str] = ()
    is_reused: bool = False

    def accepts(self, identity: str, user: AbstractBaseUser) -> bool:
        """Tell whether the stack still accepts this credential of the user's."""
        if self.is_alive is not None:
            return self.is_alive(identity)
        return self.living is not None and identity in self.living([user.pk])


_bearer_stacks: dict[str, BearerStack] = {}


def register_bearer_stack(stack: BearerStack) -> None:
    """Make a stack known; to be called in ``convai_stack.py`` or in an app's ``ready()``.

    Raises ``ImproperlyConfigured`` when another one has the name, and when it has neither
    ``living`` nor ``is_alive``. (Not for the same one: Django calls ``ready()`` again when a test
    changes ``INSTALLED_APPS``.)
    """
    if stack.name == SESSION_STACK or _bearer_stacks.get(stack.name, stack) != stack:
        raise ImproperlyConfigured(f"A login stack named {stack.name!r} is registered already.")
    if stack.living is None and stack.is_alive is None:
        raise ImproperlyConfigured(
            f"The login stack {stack.name!r} doesn't tell whether a credential is still good: "
            "give its BearerStack `living` or `is_alive`."
        )
    _bearer_stacks[stack.name] = stack
    if stack.living:
        ask(stack.name, stack.living)


def bearer_stacks() -> list[BearerStack]:
    """Return the stacks that are registered."""
    return [*_bearer_stacks.values()]


def bearer_credential(stack: str, identity: str) -> Credential:
    """Return the credential of a bearer stack, by what its ``from_request`` returns for it.

    Raises ``ImproperlyConfigured`` when no such stack is registered.
    """
    if stack not in _bearer_stacks:
        known = ", ".join(map(repr, sorted(_bearer_stacks))) or "none"
        raise ImproperlyConfigured(
            f"No login stack named {stack!r} is registered; known are: {known}. "
            "Call register_bearer_stack() in your app's convai_stack.py."
        )
    registered = _bearer_stacks[stack]
    latest = latest_session_id(stack, identity) if registered.is_reused else None
    return Credential.of_identity(stack, identity, partial(registered.accepts, identity), latest)


def is_reused(credential: Credential) -> bool:
    """Tell whether a login may hand out the same credential again."""
    stack = _bearer_stacks.get(credential.stack)
    return stack is not None and stack.is_reused
