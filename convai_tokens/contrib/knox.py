"""django-rest-knox: a learner session is one row of its token model.

The row's digest (knox's own hash) is the credential's identity: it is in reach at login (by
hashing the token in the response), on a request (``request.auth``) and when the row is deleted, by
a logout, a logout-all, an expiry, the admin or a cascade.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.db import router
from django.db.models import Q
from django.db.models.signals import pre_delete
from django.utils import timezone
from knox.crypto import hash_token
from knox.models import get_token_model
from rest_framework.request import Request

from ..lifecycle.audit import after_commit
from ..lifecycle.ending import end_sessions
from ..lifecycle.retrying import try_until_taken
from ..logins.bearer_stacks import BearerStack, bearer_credential, register_bearer_stack
from ..logins.handed_out import LoginResponse
from ..logins.notes import current_request
from ..logins.safety import never_raises
from ..models import EndReason, LearnerSession

NAME = "knox"
CLASSES = ("knox.auth.TokenAuthentication",)


def handed_out(login: LoginResponse) -> Iterable[tuple[Any, str]]:
    """Return the rows of the knox tokens in a response, whatever the LMS calls them."""
    digests = [hash_token(text.reveal()) for _, text in login.credentials()]
    found: Iterable[tuple[Any, str]] = ()
    if digests:
        found = _rows().filter(digest__in=digests).values_list("user_id", "digest")
    return found


def _rows() -> Any:
    """Return knox's rows from where they are written: a replica may be late."""
    model = get_token_model()
    return model.objects.using(router.db_for_write(model))


def from_request(request: Request) -> str | None:
    """Return the digest of the knox token that authenticated the request."""
    if not isinstance(request.auth, get_token_model()):
        return None
    digest: str = request.auth.digest
    return digest


def is_alive(digest: str) -> bool:
    """Tell whether the row is still there."""
    exists: bool = _rows().filter(digest=digest).exists()
    return exists


def living(user_ids: Collection[Any]) -> Iterable[str]:
    """Return the digests of these users' rows that haven't expired."""
    good = Q(expiry=None) | Q(expiry__gt=timezone.now())
    rows = _rows().filter(good, user_id__in=user_ids)
    digests: Iterable[str] = rows.values_list("digest", flat=True)
    return digests


@never_raises
def on_token_deleted(*, instance: Any, using: str, **kwargs: object) -> None:
    """End the learner session of a knox token that is about to be deleted."""
    credential = bearer_credential(NAME, instance.digest)
    sessions = LearnerSession.primary.filter(pk__in=credential.session_ids)
    reason, ended = _reason(instance), 0
    try:
        ended = end_sessions(sessions, reason)
    finally:
        # What has ended stays ended. But where there is none yet, a request in parallel may open
        # one between this look and the row's end, or the database may fail: so look once more.
        if ended < len(credential.session_ids):
            after_commit(using, try_until_taken, end_sessions, sessions, reason)


def _reason(instance: Any) -> EndReason:
    """Tell a logout from an expiry: on a request by a valid token, DRF has set ``auth``."""
    auth = getattr(current_request.get(), "auth", None)
    if auth is instance:
        return EndReason.LOGOUT
    if isinstance(auth, get_token_model()) and auth.user_id == instance.user_id:
        return EndReason.LOGOUT_ALL
    return EndReason.CREDENTIAL_DELETED


def connect() -> None:
    """Register the stack and its receiver; called by ``contrib.connect()``."""
    asked = (handed_out, from_request, living, is_alive)
    register_bearer_stack(BearerStack(NAME, *asked, CLASSES))
    pre_delete.connect(
        on_token_deleted,
        sender=get_token_model(),
        dispatch_uid="convai_tokens.contrib.knox",
        weak=False,
    )
