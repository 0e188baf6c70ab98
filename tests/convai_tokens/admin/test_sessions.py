"""Learner sessions in the admin: the list, a session's page, and how staff end them."""

from __future__ import annotations

import re
from datetime import timedelta

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

    for shown in ["learner", "kiosk-3 · knox"]:
        assert re.search(rf'field-\w+"?[^>]*>(<a[^>]*>)?{shown}<', content), shown
    assert 'convai-done">Logout</span>' in content


def test_the_list_counts_the_live_tokens_of_each_session(auditor: Client) -> None:
    session = make_session()
    make_token(session, "one")
    make_token(session, "two")
    make_token(session, "dead", status=TokenStatus.REVOKED)
    make_token(session, "over", expires_at=utc_now() - timedelta(seconds=1))

    content = auditor.get(SESSIONS).content.decode().split("<tbody>")[1]

    assert re.search(r'field-live">2<', content)


@pytest.mark.usefixtures("three_tokens")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=open", 1),
        ("state=logout", 1),
        ("state=staff", 0),
        ("stack__exact=session", 1),
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

    assert "<p>None</p>" in content


def test_a_page_costs_as_many_queries_for_120_tokens_as_for_60(administrator: Client) -> None:
    session = make_session()
    counts = []
    for round_ in range(2):
        for number in range(60):
            token = make_token(session, f"value-{round_}-{number}")
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


def test_of_many_tokens_a_page_shows_the_newest_and_leads_to_the_others(auditor: Client) -> None:
    session = make_session()
    tokens = [make_token(session, f"value-{number}") for number in range(53)]

    content = auditor.get(f"{SESSIONS}{session.pk}/change/").content.decode()

    table = content.split('id="convaitoken-table"')[1].split('id="tokenevent-table"')[0]
    assert [token.fingerprint in table for token in tokens] == [False] * 3 + [True] * 50
    more = f"{TOKENS}?session__exact={session.pk}"
    assert f'<a href="{more}">3 more, older</a>' in table
    assert auditor.get(more).context["cl"].result_count == 53


def test_a_sessions_page_has_a_button_that_ends_it_and_leads_back(
    ender: Client, auditor: Client
) -> None:
    session = make_session()
    page = f"{SESSIONS}{session.pk}/change/"
    assert "End this session" not in auditor.get(page).content.decode()
    button = confirmation(ender.get(page))
    assert button["action"] == ["end_selected"]

    asked = ender.post(SESSIONS, button, follow=True)
    done = ender.post(SESSIONS, confirmation(asked), follow=True)

    assert f'href="{page}" class="button cancel-link"' in asked.content.decode()
    assert done.redirect_chain == [(page, 302)]
    assert messages(done) == ["1 learner session was ended."]
    assert "End this session" not in done.content.decode()


def test_a_button_leads_back_to_this_site_alone(ender: Client) -> None:
    session = make_session()

    for elsewhere in ("https://example.com/", "//example.com/", "javascript:alert(1)"):
        page = act(ender, SESSIONS, "end_selected", session, back=elsewhere)
        assert elsewhere not in page.content.decode()


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
