"""Rows, people and requests for the tests of the admin."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from convai_tokens.lifecycle.sealing import fingerprint, seal
from convai_tokens.models import ConvaiToken, EventKind, LearnerSession, TokenEvent, TokenStatus
from convai_tokens.models.moments import utc_now
from convai_tokens.secret import Secret

ADMIN = "/admin/convai_tokens/"
SESSIONS, TOKENS, EVENTS = ADMIN + "learnersession/", ADMIN + "convaitoken/", ADMIN + "tokenevent/"
LISTS = [SESSIONS, TOKENS, EVENTS]
CANARY = "CANARY-TOKEN-7215ee9c7d9dc229d2921a40e899ec5f"
VIEWS = ("view_learnersession", "view_convaitoken", "view_tokenevent")


def make_session(username: str = "learner", **fields: Any) -> LearnerSession:
    """Add an open learner session, with its first event."""
    user, _ = get_user_model().objects.get_or_create(username=username)
    fields = {"stack": "knox", "device": "kiosk-3", "credential_digest": "d1" * 32, **fields}
    session = LearnerSession.objects.create(user=user, username=username, **fields)
    TokenEvent.objects.create(session=session, kind=EventKind.SESSION_STARTED)
    return session


def make_token(
    session: LearnerSession | None = None, value: str = CANARY, **fields: Any
) -> ConvaiToken:
    """Add an active token of an hour, sealed as the lifecycle seals it, with its event."""
    session = session or make_session()
    fields = {"expires_at": utc_now() + timedelta(hours=1), **fields}
    fields = {"status": TokenStatus.ACTIVE, "fingerprint": fingerprint(Secret(value)), **fields}
    token = ConvaiToken.objects.create(session=session, **fields)
    token.sealed = seal(Secret(value), token.pk, token.session_id)
    token.save(update_fields=["sealed"])
    TokenEvent.objects.create(session=session, token=token, kind=EventKind.GENERATED)
    return token


def staff_client(username: str, *codenames: str, **fields: Any) -> Client:
    """Return the browser of a staff member with these permissions, logged in."""
    user = get_user_model().objects.create_user(username, is_staff=True, **fields)
    permissions = Permission.objects.filter(
        content_type__app_label="convai_tokens", codename__in=codenames
    )
    assert len(permissions) == len(codenames)
    user.user_permissions.set(permissions)
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, address: str, action: str, *rows: Any, **extra: str) -> Any:
    """Post an action on the rows as the list page does; with ``confirmed``, as the second page."""
    data = {"action": action, ACTION_CHECKBOX_NAME: [str(row.pk) for row in rows], **extra}
    return client.post(address, data, follow=True)


def messages(response: Any) -> list[str]:
    """Return the messages that the page shows."""
    return [str(message) for message in response.context["messages"]]


def listed(response: Any) -> list[Any]:
    """Return the rows of a list page."""
    return list(response.context["cl"].result_list)


def untouched(token: ConvaiToken) -> bool:
    """Tell whether nothing has happened to the token and its session."""
    token = ConvaiToken.objects.select_related("session").get(pk=token.pk)
    told = TokenEvent.objects.filter(kind__in=[EventKind.OWED, EventKind.SESSION_ENDED])
    return (
        (token.status, token.session.ended_at) == (TokenStatus.ACTIVE, None)
        and not told.exists()
        and not LogEntry.objects.exists()
    )


def confirmation(response: Any) -> dict[str, list[str]]:
    """Return what the confirmation's form would post."""
    fields = re.findall(
        r'<input type="hidden" name="([^"]+)" value="([^"]*)">', response.content.decode()
    )
    data: dict[str, list[str]] = {}
    for name, value in fields:
        if name != "csrfmiddlewaretoken":
            data.setdefault(name, []).append(html.unescape(value))
    return data
