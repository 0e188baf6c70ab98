"""What the next resident of a device ends: what the last one left there."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from copy import copy
from datetime import datetime
from typing import Any

from django.db import DataError, OperationalError
from django.http import HttpRequest
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.settings import api_settings

from ..conf import app_settings
from ..lifecycle.ending import end_sessions
from ..lifecycle.opening import escaped_device
from ..lifecycle.retrying import try_until_taken
from ..models import EndReason, LearnerSession
from .bearer_stacks import bearer_stacks
from .credentials import credential_of_request
from .notes import LoginNote
from .safety import never_raises


@never_raises
def end_what_was_left(
    request: HttpRequest, note: LoginNote, own: LearnerSession | None = None
) -> None:
    """End the session of a bearer that came along; with ``ONE_SESSION_PER_DEVICE`` the device's.

    Not the login's ``own``, which may be one that goes on. Once for a login.
    """
    if note.has_taken_over:
        return
    note.has_taken_over = True
    but = {own.pk} if own else {*(note.credential.session_ids if note.credential else ())}
    if "Authorization" in request.headers:
        _end_bearer_of(request, but)
    if note.device and app_settings.ONE_SESSION_PER_DEVICE:
        # Of two logins at once, as by a double click, the later one's session stays.
        before = max(own.started_at, note.at) if own else note.at
        device = own.device if own and own.device else note.device
        try_until_taken(_end_on_device, device, but, before)


def _end_bearer_of(request: HttpRequest, but: Collection[uuid.UUID]) -> None:
    """End the learner session of the bearer in a login's request, if that is good.

    Whatever the login's view makes of it: it may ask for a password alone.
    """
    # A copy, since DRF writes onto the request whom it has authenticated.
    carried = Request(copy(request), authenticators=_authenticators())
    try:
        if carried.successful_authenticator is None:
            return
    except APIException:  # it is no longer good, and its end was seen
        return
    ids = {*credential_of_request(carried).session_ids} - {*but}
    try_until_taken(end_sessions, LearnerSession.primary.filter(pk__in=ids), EndReason.REPLACED)


def _authenticators() -> list[BaseAuthentication]:
    """Return the site's authentication by bearers that a login stack serves."""
    served = [path for stack in bearer_stacks() for path in stack.authentication_classes]
    bases = tuple(import_string(path) for path in served)
    accepted: Any = api_settings.DEFAULT_AUTHENTICATION_CLASSES
    return [known() for known in accepted if issubclass(known, bases)]


def _end_on_device(device: str, but: Collection[uuid.UUID], before: datetime) -> None:
    """End the learner sessions on the device that started before, whoever's they are."""
    not_ended = ("", EndReason.UNSEEN)
    sessions = LearnerSession.primary.exclude(pk__in=but)
    sessions = sessions.filter(end_reason__in=not_ended, started_at__lt=before)
    try:
        ids = list(sessions.filter(device=device).values_list("pk", flat=True))
    except (DataError, OperationalError):
        if device.isascii():
            raise
        ids = list(sessions.filter(device=escaped_device(device)).values_list("pk", flat=True))
    if ids:
        end_sessions(LearnerSession.primary.filter(pk__in=ids), EndReason.REPLACED)
