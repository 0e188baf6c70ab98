"""The Convai block in the response to a login that was noted."""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control
from rest_framework.response import Response

from ..conf import app_settings
from ..convai.client import get_client
from ..exceptions import NotAllowed, UnknownStack
from ..lifecycle.credential import Credential
from ..lifecycle.ending_all import write_end
from ..lifecycle.issuing import generate
from ..lifecycle.opening import Opener, open_session, session_of
from ..lifecycle.storing import Issued
from ..models import LearnerSession
from ..payloads import failed_block, issued_block, may_have_token, named_end_user, shaped
from ..secret import Hidden
from .bearer_stacks import SESSION_STACK, is_reused
from .credentials import (
    belongs_to,
    credential_of_login,
    renewed_credential,
    session_credential,
    warn_if_the_endpoint_knows_no_sessions,
)
from .datum import remember
from .ends import end_replaced_cookie
from .handed_out import LoginResponse
from .impersonation import impersonator_of
from .kiosk import end_what_was_left
from .notes import LoginNote, noted_login
from .safety import never_raises, told
from .session_bearers import stands_for
from .unsignalled import may_be_login, note_unsignalled_login

logger = logging.getLogger("convai_tokens")

UNKNOWN = (
    "A login gets no token, since nobody would see its end: its response %s. Register the login "
    "stack (docs/logins.md).%s"
)
IF_NONE = " If that is no credential, name it in CONVAI_TOKENS['NO_CREDENTIALS']."


@never_raises
def extend_data(request: HttpRequest, response: HttpResponseBase) -> None:
    """Add the block to the data of a DRF response that is going to be JSON.

    Before it is rendered: afterwards it ignores what is added to its data.
    """
    if not isinstance(response, Response) or response.is_rendered:
        return
    is_json = "json" in (getattr(response, "accepted_media_type", None) or "")
    if is_json and _is_success(response) and isinstance(response.data, dict):
        login = LoginResponse(request, response, response.data)
        note = _note_of(login)
        if note is None:
            return
        end_replaced_cookie(note, response)
        block, issued = _login_block(note, login)
        if block:
            response.data = _merged(login, block)
            forbid_caching(response)
        if issued:
            hand_out(response, issued)


@never_raises
def extend_content(request: HttpRequest, response: HttpResponseBase) -> None:
    """Add the block to the content of any other JSON response."""
    noted = noted_login(request)
    if noted.done if noted is not None else isinstance(response, Response):
        return  # extend_data() has seen to it
    if not isinstance(response, HttpResponse) or not _is_success(response):
        return
    media_type = response.get("Content-Type", "").partition(";")[0].strip()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    if not is_json or response.has_header("Content-Encoding"):
        return
    try:
        login = LoginResponse(request, response, json.loads(response.content))
    except ValueError:
        return
    note = _note_of(login) if isinstance(login.data, dict) else None
    if note is None:
        return
    block, issued = _login_block(note, login)
    if block:
        response.content = json.dumps(_merged(login, block)).encode()
        forbid_caching(response)
    if issued:
        put_in_place(issued, response)
    if block and response.has_header("Content-Length"):
        response["Content-Length"] = str(len(response.content))


def _note_of(login: LoginResponse) -> LoginNote | None:
    """Return the login that a response answers: noted by a signal, or seen by what it hands out."""
    note = noted_login(login.request)
    if note is None and may_be_login(login.request, login.response):
        note = note_unsignalled_login(login)
    return note


def hand_out(response: Response, issued: Issued) -> None:
    """Put the token into a DRF response as soon as that is rendered.

    Its data has the stand-in, since whatever fails while it is rendered is reported with the data.
    """
    response.add_post_render_callback(partial(put_in_place, issued))


def put_in_place(issued: Issued, response: HttpResponse) -> None:
    """Put the token where its stand-in is, in the content of a JSON response."""
    stand_in = issued.stand_in.encode()
    if stand_in not in response.content:
        logger.error("The response has no token in it: what PAYLOAD returns lacks block.value.")
    token = Hidden(json.dumps(issued.value.reveal())[1:-1].encode())
    response.content = response.content.replace(stand_in, token.reveal())


def forbid_caching(response: HttpResponseBase) -> None:
    """Forbid every cache to keep a response that holds a token, or says why there is none."""
    patch_cache_control(response, no_store=True, private=True)


def _is_success(response: HttpResponseBase) -> bool:
    return 200 <= response.status_code < 300 and response.status_code != 204


def _merged(login: LoginResponse, block: dict[str, Any]) -> dict[str, Any]:
    """Return both; what the LMS says under a name stays what it says."""
    clash = sorted(block.keys() & login.data.keys())
    if clash:
        logger.error("The login response has a %s of its own; the Convai block lacks it.", clash)
    return login.data | {name: block[name] for name in block if name not in clash}


def _login_block(note: LoginNote, login: LoginResponse) -> tuple[dict[str, Any], Issued | None]:
    """Return what ``PAYLOAD`` makes of this login, and the token if there is one.

    Once for a login, whatever goes wrong; the second time nothing.
    """
    if note.done:
        return {}, None
    note.done = True
    if note.error is not None:
        return shaped(failed_block(note.user, note.error)), None
    try:
        issued = _issue(note, login)
        return shaped(issued_block(note.user, issued)), issued
    except Exception as error:  # noqa: BLE001 - no failure of ours is the learner's
        return shaped(failed_block(note.user, told(error))), None


def _issue(note: LoginNote, login: LoginResponse) -> Issued:
    """Generate a token for the login, or raise why there is none."""
    impersonator = impersonator_of(note.session, note.user)
    if not may_have_token(login.request, note.user):
        raise NotAllowed
    _check_available(note)
    opener = Opener(_credential(note, login), note.user, impersonator)
    session, opener = _open(note, opener)
    end_what_was_left(login.request, note, session)
    return generate(session, opener=opener, budget=app_settings.LOGIN_BUDGET)


def _check_available(note: LoginNote) -> None:
    """Raise why this login gets no token, if that is known without asking the database.

    So that a Convai that is down costs nothing: the learner session starts with the first token
    that it asks for. Not where only the login can tell the device; nor where it is one more login
    over a Django session, whose learner session may have ended and then has to be renewed.
    """
    if note.is_new and not note.device:
        get_client().check_available()


def _credential(note: LoginNote, login: LoginResponse) -> Credential:
    """Return the credential that later requests of this login will carry.

    Raises ``UnknownStack`` where that isn't known: nobody would see its end.
    """
    if note.credential is not None and note.credential.stack != SESSION_STACK:
        return note.credential
    if not note.by_session:
        bearer = credential_of_login(note.user, login)
        if bearer is not None:
            return bearer
        unknown = [at for at, text in login.credentials() if not stands_for(text, note.session)]
        if unknown:
            logger.warning(UNKNOWN, f"hands out {', '.join(unknown)}", IF_NONE)
            raise UnknownStack
    if note.session is None or not belongs_to(note.session, note.user):
        logger.warning(UNKNOWN, "hands out no credential that is known", "")
        raise UnknownStack
    if not note.session.session_key:
        note.session.save()  # gives it the key by which its end will be seen
    warn_if_the_endpoint_knows_no_sessions()
    return session_credential(note.session)


def _open(note: LoginNote, opener: Opener) -> tuple[LearnerSession, Opener]:
    """Return the learner session of a login that was noted, and who opens it in the end.

    It starts with its first token; at once where only the login can tell the device. A new login
    with a credential that outlived its learner session starts another one.

    Raises ``EndUserBlank``, or what ``open_session`` does.
    """
    named_end_user(note.user)
    open_it = partial(open_session, device=note.device) if note.device else session_of
    if note.session is None or opener.credential.stack != SESSION_STACK:
        session = open_it(opener)
        write_end(session)
        if session.has_ended and is_reused(opener.credential):
            opener = opener._replace(credential=opener.credential.renewed())
            session = open_it(opener)
        return session, opener
    remember(note.session, opener.credential)
    session = open_it(opener)
    write_end(session)
    if session.has_ended:
        opener = opener._replace(credential=renewed_credential(note.session))
        remember(note.session, opener.credential)
        session = open_it(opener)
    return session, opener
