"""What an LMS may call. docs/api.md has the whole list, with the modules beside this one.

    from convai_tokens import api

None of these functions calls Convai, but for ``issue_token``.
"""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from rest_framework.request import Request

from .conf import app_settings
from .exceptions import ConvaiTokensError, NotAuthenticated, TransactionOpen
from .lifecycle.ending import end_sessions
from .lifecycle.ending_all import end_sessions_of_user, write_end
from .lifecycle.issuing import generate
from .logins.bearer_stacks import (
    SESSION_STACK,
    BearerStack,
    bearer_credential,
    register_bearer_stack,
)
from .logins.credentials import credential_of_request, http_request
from .logins.handed_out import LoginResponse
from .logins.notes import LoginNote, device_of, note_login, note_token_in_page, noted_login
from .logins.safety import told
from .logins.token_requests import open_for_request
from .models import EndReason, LearnerSession
from .payloads import failed_block, fields, issued_block

__all__ = [
    "BearerStack",
    "EndReason",
    "LoginResponse",
    "bind_login",
    "end_session",
    "end_sessions_of",
    "issue_token",
    "learner_session",
    "register_bearer_stack",
]


def bind_login(
    request: HttpRequest | Request,
    user: AbstractBaseUser,
    *,
    stack: str,
    identity: str = "",
    device: str = "",
) -> None:
    """Tell of a login whose stack sends no signal; to be called by its view.

    ``stack`` is the name of a registered bearer stack, ``identity`` the text that its
    ``from_request`` returns for the new credential on later requests; only its hash is kept. The
    response of the view then gets the Convai block, as any other login's. ``device`` is a kiosk's
    name; if it isn't given, the ``device`` in the request's body is.

    With the stack ``"session"``, after Django's ``login()`` and without an ``identity``: the
    session is what the client will present, whatever else the response hands out.

    Raises ``ImproperlyConfigured`` when no such stack is registered, or the request has no Django
    session of this user.
    """
    http = http_request(request)
    device = device or device_of(request)
    if stack != SESSION_STACK:
        note_login(http, LoginNote(user, bearer_credential(stack, identity), device=device))
        return
    note = noted_login(http)
    if note is None or note.session is None or note.user.pk != user.pk:
        raise ImproperlyConfigured("Call django.contrib.auth.login() with this user first.")
    note.by_session, note.device = True, device


def issue_token(request: HttpRequest | Request) -> dict[str, Any]:
    """Generate a token for the learner who is logged in, for a page that the server renders.

    Returns what the token endpoint answers: ``apiAuthToken``, ``expirationTime`` and so on; with
    ``apiAuthToken`` None and ``error`` where there is none. The response of the view is marked as
    one that no cache may keep. Waits for Convai up to ``LOGIN_BUDGET`` seconds.

    Raises ``TransactionOpen``, a ``RuntimeError``, within a transaction, since that would be open
    while Convai is being called: under ``ATOMIC_REQUESTS`` decorate the view with
    ``transaction.non_atomic_requests``.
    """
    http = http_request(request)
    note_token_in_page(http)
    if not request.user.is_authenticated:
        return fields(failed_block(None, NotAuthenticated()))
    user = cast(AbstractBaseUser, request.user)
    try:
        session, opener = open_for_request(request, user, credential_of_request(request))
        issued = generate(session, opener=opener, budget=app_settings.LOGIN_BUDGET)
        return fields(issued_block(user, issued)) | {"apiAuthToken": issued.value.reveal()}
    except TransactionOpen:
        raise  # a mistake in the view, to be seen while it is written
    except (ConvaiTokensError, ImproperlyConfigured) as error:
        return fields(failed_block(user, told(error)))


def learner_session(
    request: HttpRequest | Request | None = None, *, stack: str = "", identity: str = ""
) -> LearnerSession | None:
    """Return the learner session of a request, or of a credential; None if there is none yet.

    By the request of a view of Django's or DRF's; or by the name of a registered bearer stack and
    the credential's ``identity``, as for ``bind_login``. The session may have ended.

    Raises ``CredentialNotSupported`` for a request that is authenticated by no known stack,
    ``ImproperlyConfigured`` for a stack that isn't registered, ``TypeError`` for neither of both.
    """
    session = LearnerSession.primary.filter(pk__in=_session_ids(request, stack, identity)).first()
    if session is not None:
        write_end(session)
    return session


def end_session(
    request: HttpRequest | Request | None = None,
    *,
    stack: str = "",
    identity: str = "",
    reason: EndReason = EndReason.API,
) -> bool:
    """End a learner session, and have its tokens revoked; return False if none was open.

    Takes and raises what ``learner_session`` does. The login itself goes on: the learner gets no
    token before the next one. May be called within a transaction; the revocation follows it.
    """
    sessions = LearnerSession.primary.filter(pk__in=_session_ids(request, stack, identity))
    return end_sessions(sessions, reason, patient=True) > 0


def end_sessions_of(user: AbstractBaseUser, *, reason: EndReason = EndReason.API) -> int:
    """End all learner sessions of a user, and have their tokens revoked; return how many."""
    return end_sessions_of_user(user.pk, reason)


def _session_ids(
    request: HttpRequest | Request | None, stack: str, identity: str
) -> tuple[uuid.UUID, ...]:
    if (request is None) is not bool(stack and identity):
        raise TypeError("Give a request, or a stack and an identity.")
    if request is not None:
        return credential_of_request(request).session_ids
    return bearer_credential(stack, identity).session_ids
