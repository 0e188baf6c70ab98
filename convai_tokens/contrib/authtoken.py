"""Django REST framework's authtoken, also as dj-rest-auth's and djoser's: one row for each user.

Each login hands out the row that is there. So a learner session is what happens between two
deletions of the row, or between an end by the staff and the next login. The credential's identity
is the user and the moment at which the row was made: neither is a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import router
from django.db.models.signals import pre_delete
from rest_framework.authtoken.models import Token
from rest_framework.request import Request

from ..lifecycle.opening import sessions_of_bearer
from ..logins.bearer_stacks import BearerStack, register_bearer_stack
from ..logins.ends import end_of_bearer
from ..logins.handed_out import LoginResponse
from ..logins.notes import current_request
from ..logins.safety import never_shows
from ..models import EndReason

NAME = "authtoken"
CLASSES = ("rest_framework.authentication.TokenAuthentication",)
LOGIN_VIEWS = ("rest_framework.authtoken.views.ObtainAuthToken", "dj_rest_auth.views.LoginView")
KEY_LENGTH = 40


def identity_of(user_id: Any, created: datetime) -> str:
    """Return what tells a row from those that its user had before, and will have."""
    return f"{user_id}:{created.timestamp():.6f}"


def handed_out(login: LoginResponse) -> Iterator[tuple[Any, str]]:
    """Yield the rows whose keys a response hands out, whatever the LMS calls them.

    Not as rows: their text is the key.
    """
    candidates = [text for _, text in login.credentials() if len(text.reveal()) == KEY_LENGTH]
    if candidates:
        rows = _rows().filter(key__in=[text.reveal() for text in candidates])
        for user_id, created in rows.values_list("user_id", "created"):
            yield user_id, identity_of(user_id, created)


def from_request(request: Request) -> str | None:
    """Return the identity of the row that authenticated the request."""
    if not isinstance(request.auth, Token):
        return None
    return identity_of(request.auth.user_id, request.auth.created)


def living(user_ids: Collection[Any]) -> Iterator[str]:
    """Yield the identities of these users' rows."""
    for found in _rows().filter(user_id__in=user_ids).values_list("user_id", "created"):
        yield identity_of(*found)


def _rows() -> Any:
    """Return the rows from where they are written: a replica may be late."""
    return Token.objects.using(router.db_for_write(Token))


@never_shows
def on_token_deleted(*, instance: Any, using: str, **kwargs: object) -> None:
    """End the learner session of a row that is about to be deleted."""
    sessions = sessions_of_bearer(NAME, identity_of(instance.user_id, instance.created))
    auth = getattr(current_request.get(), "auth", None)
    by_itself = isinstance(auth, Token) and auth.pk == instance.pk
    del instance, auth, kwargs  # the key is their text, and that of the deletion's origin
    reason = EndReason.LOGOUT if by_itself else EndReason.CREDENTIAL_DELETED
    end_of_bearer(using, sessions, reason)


def connect() -> None:
    """Register the stack and its receiver; called by ``contrib.connect()``."""
    asked = (handed_out, from_request, living, None)
    register_bearer_stack(BearerStack(NAME, *asked, CLASSES, LOGIN_VIEWS, is_reused=True))
    for model in apps.get_models():
        if issubclass(model, Token):  # the admin deletes by a proxy
            uid = f"convai_tokens.contrib.authtoken.{model._meta.label}"
            pre_delete.connect(on_token_deleted, sender=model, dispatch_uid=uid, weak=False)
