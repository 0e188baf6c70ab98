"""Learner sessions in the admin: the list, a session's page, and how staff end them."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from convai_tokens.admin import actions
from convai_tokens.lifecycle import ending
from convai_tokens.lifecycle.sealing import fingerprint
from convai_tokens.models import (
    ConvaiToken,
    EndReason,
    EventKind,
    LearnerSession,
    TokenEvent,
    TokenStatus,
)
from convai_tokens.models.moments import utc_now
from convai_tokens.secret import Secret
from tests.convai_tokens.admin.rows import (
    SESSIONS,
    TOKENS,
    act,
    confirmation,
    listed,
    make_session,
    make_token,
    messages,
    untouched,
)

pytestmark = pytest.mark.django_db


def test_the_session_list_tells_who_where_and_how_it_ended(auditor: Client) -> None:
    make_session(ended_at=utc_now(), end_reason=EndReason.LOGOUT)

    content = auditor.get(SESSIONS).content.decode().split("<tbody>")[1]

    for shown in ["learner", "knox", "kiosk-3", "Logout"]:
        assert re.search(rf'field-\w+"?[^>]*>(<a[^>]*>)?{shown}<', content), shown


@pytest.mark.usefixtures("three_tokens")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=open", 1),
        ("state=ended", 1),
        ("stack=session", 1),
        ("end_reason__exact=logout", 1),
        ("q=learn", 2),
        ("q=learner-2", 1),
        (f"q={fingerprint(Secret('two'))}", 1),
        ("q=%20", 2),
    ],
)
def test_filters_and_search_find(auditor: Client, query: str, found: int) -> None:
    page = auditor.get(f"{SESSIONS}?{query}")

    assert page.status_code == 200
    assert len(listed(page)) == found


def test_the_filter_by_stack_offers_what_learners_log_in_with(auditor: Client) -> None:
    make_session(stack="session")
    make_session("learner-2", stack="jwt")

    content = auditor.get(SESSIONS).content.decode()

    assert "?stack=jwt" in content
    assert "?stack=session" in content
    assert "?stack=knox" not in content


def test_a_session_page_shows_its_tokens_and_events(auditor: Client) -> None:
    session = make_session()
    token = make_token(session)
    stranger = make_token(make_session("learner-2"), "stranger")
    ending.end_session(session.pk, EndReason.LOGOUT)

    content = auditor.get(f"{SESSIONS}{session.pk}/change/").content.decode()

    for shown in ["session started", "generated", "session ended", "Session ended: logout"]:
        assert shown in content
    assert f"{TOKENS}{token.pk}/change/" in content
    assert token.fingerprint in content
    assert stranger.fingerprint not in content


def test_a_page_without_tokens_says_so(auditor: Client) -> None:
    content = auditor.get(f"{SESSIONS}{make_session().pk}/change/").content.decode()

    assert "<td>None</td>" in content


def test_a_page_costs_as_many_queries_for_60_rows_as_for_one(administrator: Client) -> None:
    session = make_session()
    counts = []
    for rows in [1, 59]:
        for number in range(rows):
            token = make_token(session, f"value-{rows}-{number}")
            ending.revoke_tokens(
                ConvaiToken.objects.filter(pk=token.pk),
                detail="",
                actor=get_user_model().objects.get(username="administrator"),
            )
        administrator.get(f"{SESSIONS}{session.pk}/change/")  # fills the cache of content types
        with CaptureQueriesContext(connection) as queries:
            administrator.get(f"{SESSIONS}{session.pk}/change/")
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_a_deleted_learner_leaves_the_audit(administrator: Client) -> None:
    token = make_token()
    user = token.session.user
    assert user is not None

    page = administrator.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"}, follow=True)

    assert page.status_code == 200
    assert not get_user_model().objects.filter(pk=user.pk).exists()
    token.refresh_from_db()
    session = LearnerSession.objects.get(pk=token.session_id)
    assert token.status == TokenStatus.REVOKING
    assert (session.user, session.username) == (None, "learner")
    assert session.end_reason == EndReason.USER_DELETED
    assert "learner" in administrator.get(f"{SESSIONS}{session.pk}/change/").content.decode()


def test_ending_asks_first_and_then_does_it_as_the_staff_member(ender: Client) -> None:
    session, other = make_session(), make_session("learner-2")
    token = make_token(session)

    asked = act(ender, SESSIONS, "end_selected", session)
    content = asked.content.decode()
    assert untouched(token)
    assert "End the selected learner sessions?" in content
    assert "kiosk-3" in content
    assert "learner-2" not in content
    done = ender.post(SESSIONS, confirmation(asked), follow=True)

    session.refresh_from_db()
    other.refresh_from_db()
    token.refresh_from_db()
    assert session.end_reason == EndReason.STAFF
    assert session.ended_at is not None
    assert token.status == TokenStatus.REVOKING
    assert other.ended_at is None
    assert messages(done) == ["1 learner session was ended."]
    staff = get_user_model().objects.get(username="ender")
    events = TokenEvent.objects.filter(kind__in=[EventKind.SESSION_ENDED, EventKind.OWED]).order_by(
        "pk"
    )
    assert [(event.kind, event.actor) for event in events] == [
        (EventKind.SESSION_ENDED, staff),
        (EventKind.OWED, staff),
    ]


def test_select_all_ends_the_sessions_of_every_page(
    ender: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "CHUNK", 7)
    sessions = [make_session(f"learner-{number}") for number in range(60)]

    asked = act(ender, SESSIONS, "end_selected", *sessions[:50], select_across="1")
    done = ender.post(SESSIONS, confirmation(asked), follow=True)

    assert messages(done) == ["60 learner sessions were ended."]
    assert not LearnerSession.objects.open().exists()
    assert LogEntry.objects.count() == 60


def test_nothing_to_end_is_told_without_a_question(ender: Client) -> None:
    session = make_session(ended_at=utc_now(), end_reason=EndReason.LOGOUT)

    page = act(ender, SESSIONS, "end_selected", session)

    assert messages(page) == ["None of the selected learner sessions is open. Nothing was done."]
    session.refresh_from_db()
    assert session.end_reason == EndReason.LOGOUT
