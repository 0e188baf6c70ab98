"""Adds the Convai block to a login response, after the view and its transaction have finished."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookieStore
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.response import Response

from .conf import app_settings
from .convai.client import get_client
from .exceptions import ConvaiTokensError, ConvaiUnavailable
from .lifecycle import ending, issuing
from .logins.credentials import (
    SESSION_STACK,
    Credential,
    belongs_to,
    credential_of_login,
    learner_session_id,
    session_credential,
    session_key_digest,
)
from .logins.notes import (
    LoginNote,
    changed_password,
    current_request,
    deleted_sessions,
    noted_login,
    replaced_session_id,
)
from .logins.receivers import end_unless_stored, surely
from .models import EndReason, LearnerSession, database
from .payloads import LoginBlock, failed_block, issued_block, named_end_user

logger = logging.getLogger("convai_tokens")

# Written out: add_never_cache_headers() takes half of all the time that we take of a login which
# finds Convai down.
NO_STORE = "no-store, private"


class ConvaiTokenMiddleware:
    """Place it after Django's session and authentication middleware, and inside GZip's.

    Whatever goes wrong in here is logged, and the LMS's response goes out as it was.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = current_request.set(request)
        try:
            response = self.get_response(request)
        finally:
            current_request.reset(token)
        _quietly(_follow_session, request, response)
        _quietly(_look_again, request, response)
        _quietly(_extend_content, request, response)
        return response

    def process_template_response(self, request: HttpRequest, response: Any) -> Any:
        """Extend a DRF response as data: rendered, it ignores what is added."""
        _quietly(_extend_data, request, response)
        return response


def _quietly(step: Callable[[HttpRequest, Any], None], request: HttpRequest, response: Any) -> None:
    """Run one step; a failure is logged, and never the learner's."""
    try:
        step(request, response)
    except Exception:
        logger.exception("convai_tokens: %s failed", step.__name__)


def _follow_session(request: HttpRequest, response: HttpResponseBase) -> None:
    """End what this request's login or password change has ended; follow a key that changed."""
    note = noted_login(request)
    if note is not None:
        _end_replaced_cookie(note, response)
        return
    session = getattr(request, "session", None)
    user = changed_password(request)
    if session is None or not (session.modified or user):
        return
    session_id = learner_session_id(session)
    if session_id is None:
        return
    if user is not None and session.get(HASH_SESSION_KEY) != user.get_session_auth_hash():
        # Nobody called update_session_auth_hash(): this session dies on its next request.
        surely(database(), ending.end_session, session_id, EndReason.PASSWORD_CHANGED)
        return
    digest = session_key_digest(session)
    if digest and session.session_key != request.COOKIES.get(settings.SESSION_COOKIE_NAME):
        LearnerSession.objects.filter(pk=session_id).update(credential_digest=digest)


def _look_again(request: HttpRequest, response: HttpResponseBase) -> None:
    """End the learner sessions of Django sessions that this request deleted, once more.

    A login in parallel may have opened one after the receivers looked, and before the Django
    session was gone. One that goes on under another key has that key's digest by now.
    """
    session = getattr(request, "session", None)
    if session is not None:
        for key, reason in deleted_sessions(request).items():
            end_unless_stored(session, key, reason)


def _end_replaced_cookie(note: LoginNote, response: HttpResponseBase) -> None:
    """End the learner session of the signed cookie over which this login was made.

    Before the login gets its block, for it may have been the same learner's.
    """
    if not note.replaced_key or not isinstance(note.session, SignedCookieStore):
        return
    # The cookie is the session; on a 500 Django doesn't send the new one.
    if response.status_code != 500:
        old = replaced_session_id(note.replaced_key)
        if old is not None:
            sessions = LearnerSession.objects.filter(stack=SESSION_STACK, pk=old)
            surely(database(), ending.end_sessions, sessions, EndReason.REPLACED)
        note.replaced_key = ""  # only now: what failed is for the next step to try again


def _extend_data(request: HttpRequest, response: Any) -> None:
    """Add the block to the data of a DRF response that is going to be JSON."""
    note = noted_login(request)
    if note is None or not isinstance(response, Response) or response.is_rendered:
        return
    is_json = "json" in (getattr(response, "accepted_media_type", None) or "")
    if is_json and _is_success(response) and isinstance(response.data, dict):
        _end_replaced_cookie(note, response)
        block = _login_block(request, note, response.data)
        if block:
            response.data = _merged(response.data, block)
            response["Cache-Control"] = NO_STORE


def _extend_content(request: HttpRequest, response: HttpResponseBase) -> None:
    """Add the block to the content of any other JSON response."""
    note = noted_login(request)
    if note is None or note.done:
        return
    if not isinstance(response, HttpResponse) or not _is_success(response):
        return
    media_type = response.get("Content-Type", "").partition(";")[0].strip()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    if not is_json or response.has_header("Content-Encoding"):
        return
    data = json.loads(response.content)
    if isinstance(data, dict):
        block = _login_block(request, note, data)
        if block:
            response.content = json.dumps(_merged(data, block)).encode()
            response["Cache-Control"] = NO_STORE
            if response.has_header("Content-Length"):
                response["Content-Length"] = str(len(response.content))


def _is_success(response: HttpResponseBase) -> bool:
    return 200 <= response.status_code < 300 and response.status_code != 204


def _merged(data: dict[str, Any], block: dict[str, Any]) -> dict[str, Any]:
    """Return both; what the LMS says under a name stays what it says."""
    clash = sorted(block.keys() & data.keys())
    if clash:
        logger.error("The login response has a %s of its own; the Convai block lacks it.", clash)
    return {**data, **{key: value for key, value in block.items() if key not in data}}


def _login_block(
    request: HttpRequest, note: LoginNote, data: dict[str, Any]
) -> dict[str, Any] | None:
    """Return what ``PAYLOAD`` makes of this login, None if it gets no block. Once for a login."""
    if note.done:
        return None
    note.done = True
    found = _hindrance(note) or _credential(note, data)
    if found is None or not app_settings.ISSUE_IF(request, note.user):
        return None
    if isinstance(found, ConvaiUnavailable):
        block = failed_block(note.user, found)
    else:
        block = _block(note, found)
    payload: dict[str, Any] = app_settings.PAYLOAD(block)
    return payload


def _hindrance(note: LoginNote) -> ConvaiUnavailable | None:
    """Return why this login gets no token, if that is known without asking the database.

    So that a Convai that is down costs nothing: the learner session starts with the first token
    that it asks for. Not where only the login can tell the device; nor where it is one more login
    over a Django session, whose learner session may have ended and then has to be renewed.
    """
    if note.device or not note.is_new:
        return None
    return get_client().why_unavailable()


def _credential(note: LoginNote, data: dict[str, Any]) -> Credential | None:
    """Return the credential that later requests of this login will carry."""
    if note.credential is not None and note.credential.stack != SESSION_STACK:
        return note.credential
    bearer = credential_of_login(note.user, data)
    if bearer is not None:
        return bearer
    if note.session is None or not belongs_to(note.session, note.user):
        logger.warning("A login by a stack that convai_tokens doesn't know gets no token.")
        return None
    if not note.session.session_key:
        note.session.save()  # gives it the key by which its end will be seen
    return session_credential(note.session)


def _block(note: LoginNote, credential: Credential) -> LoginBlock:
    """Return a block with a fresh token, or with the reason why there is none."""
    try:
        named_end_user(note.user)
        session = issuing.open_session(credential, note.user, note.device)
        if session.ended_at is not None and credential.stack == SESSION_STACK and note.session:
            # A new login in a Django session that outlived its learner session.
            renewed = session_credential(note.session, renew=True)
            session = issuing.open_session(renewed, note.user, note.device)
        issued = issuing.generate(session, budget=app_settings.LOGIN_BUDGET)
        return issued_block(note.user, issued)
    except ConvaiTokensError as error:
        return failed_block(note.user, error)
    except Exception:
        logger.exception("A login gets no token.")
        return failed_block(note.user, ConvaiTokensError("No token can be given now."))
