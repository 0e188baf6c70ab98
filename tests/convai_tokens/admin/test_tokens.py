"""Convai tokens in the admin: the list, a token's page, and how staff revoke them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from convai_tokens.lifecycle import audit
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
    VIEWS,
    act,
    confirmation,
    listed,
    make_session,
    make_token,
    messages,
    staff_client,
    untouched,
)

pytestmark = pytest.mark.django_db


def test_the_token_list_tells_how_each_token_stands(auditor: Client) -> None:
    session = make_session()
    expires = utc_now() + timedelta(minutes=30)
    make_token(session, "active-one", expires_at=expires)
    owed = make_token(
        make_session(
            "learner-2",
            device="headset-9",
            stack="session",
            ended_at=utc_now(),
            end_reason=EndReason.PASSWORD_CHANGED,
        ),
        "owed-one",
        status=TokenStatus.REVOKING,
        owed_since=utc_now() - timedelta(hours=2),
    )

    content = auditor.get(TOKENS).content.decode()
    cells = dict(re.findall(r"field-(\w+)[^>]*>(.*?)</t[dh]>", content.split("<tbody>")[1]))
    text = {name: re.sub("<[^>]+>", "", cell) for name, cell in cells.items()}

    assert [*text] == ["mark", "learner", "state", "why", "generated", "place"]
    # The rows come newest first, so that the last one read is the active token.
    assert text["mark"] == fingerprint(Secret("active-one"))
    assert text["learner"] == "learner"
    assert re.fullmatch(r"active 0:29:5\d left", text["state"])
    assert text["why"] == "-"
    assert text["generated"].endswith(f"{timezone.localtime(utc_now()):%Z}")
    assert text["place"] == "kiosk-3 · knox"
    for shown in ["revocation owed</span> for 2 h", "not tried yet", "headset-9 · session"]:
        assert shown in content
    page = auditor.get(f"{TOKENS}{owed.pk}/change/").content.decode()
    assert "Password changed" in page
    assert owed.owed_since is not None
    assert f"{timezone.localtime(owed.owed_since):%H:%M:%S}" in page


def test_a_token_whose_time_is_over_does_not_look_live_before_the_sweep_marks_it(
    auditor: Client,
) -> None:
    make_token(expires_at=utc_now() - timedelta(seconds=1))

    content = auditor.get(TOKENS).content.decode().split("<tbody>")[1]

    assert "expired</span>" in content
    assert "active</span>" not in content
    assert listed(auditor.get(f"{TOKENS}?state=live")) == []


@pytest.mark.usefixtures("three_tokens")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=owed", 1),
        ("state=owed-new", 1),
        ("state=owed-tried", 0),
        ("state=owed-shut", 0),
        ("state=live", 2),
        ("state=active", 2),
        ("state=revoked", 0),
        ("q=learner-2", 1),
        ("q=learn", 3),
        (f"q={fingerprint(Secret('two'))[:8]}", 1),
        ("q=%20", 3),
    ],
)
def test_filters_and_search_find(auditor: Client, query: str, found: int) -> None:
    page = auditor.get(f"{TOKENS}?{query}")

    assert page.status_code == 200
    assert len(listed(page)) == found


def test_a_token_page_shows_its_own_events_and_no_others(auditor: Client) -> None:
    session = make_session()
    token, other = make_token(session, "one"), make_token(session, "two")
    audit.record(EventKind.EXTENDED, session.pk, token.pk, "detail of this token")
    audit.record(EventKind.EXTENDED, session.pk, other.pk, "detail of the other")

    content = auditor.get(f"{TOKENS}{token.pk}/change/").content.decode()

    assert "detail of this token" in content
    assert "detail of the other" not in content
    assert f"{SESSIONS}{session.pk}/change/" in content


def test_what_no_key_opens_is_told_as_the_reason(auditor: Client) -> None:
    shut = "seal_broken: No encryption key opens token 1."
    make_token(status=TokenStatus.REVOKING, attempts=3, last_error=shut)

    page = auditor.get(f"{TOKENS}?state=owed-shut")

    assert len(listed(page)) == 1
    assert f'title="{shut}"' in page.content.decode()


def test_a_tokens_page_has_a_button_that_revokes_it(revoker: Client) -> None:
    token = make_token()
    page = f"{TOKENS}{token.pk}/change/"

    asked = revoker.post(TOKENS, confirmation(revoker.get(page)), follow=True)
    done = revoker.post(TOKENS, confirmation(asked), follow=True)

    assert done.redirect_chain == [(page, 302)]
    token.refresh_from_db()
    assert token.status == TokenStatus.REVOKING
    assert "Revoke this token" not in done.content.decode()


def test_revoking_asks_first_and_then_does_it_as_the_staff_member(revoker: Client) -> None:
    session = make_session()
    token, other = make_token(session, "one"), make_token(session, "two")

    asked = act(revoker, TOKENS, "revoke_selected", token)
    content = asked.content.decode()
    assert untouched(token)
    assert "Revoke the selected Convai tokens?" in content
    assert token.fingerprint in content
    assert other.fingerprint not in content
    done = revoker.post(TOKENS, confirmation(asked), follow=True)

    token.refresh_from_db()
    assert token.status == TokenStatus.REVOKING
    assert token.owed_since is not None
    assert messages(done) == ["1 token is being revoked."]
    event = TokenEvent.objects.get(kind=EventKind.OWED)
    staff = get_user_model().objects.get(username="revoker")
    assert (event.token, event.actor, event.detail) == (token, staff, "Revoked by staff")
    other.refresh_from_db()
    assert other.status == TokenStatus.ACTIVE
    assert other.session.ended_at is None


def test_a_revoked_token_is_dead_at_convai_and_the_learner_goes_on(
    convai: Any, learner: Any, log_in: Any
) -> None:
    value = log_in().json()["convai"]["apiAuthToken"]
    token = ConvaiToken.objects.get()
    assert convai.connect(value) == 200

    page = act(
        staff_client("revoker", *VIEWS, "revoke_convaitoken"),
        TOKENS,
        "revoke_selected",
        token,
        confirmed="yes",
    )

    assert convai.live() == []
    assert ConvaiToken.objects.get().status == TokenStatus.REVOKED
    assert LearnerSession.objects.get().ended_at is None
    assert value not in page.content.decode()


def test_dead_tokens_are_left_out_and_the_page_says_so(revoker: Client) -> None:
    session = make_session()
    live = make_token(session, "live")
    dead = make_token(session, "dead", status=TokenStatus.REVOKED, revoked_at=utc_now())

    asked = act(revoker, TOKENS, "revoke_selected", live, dead)
    content = asked.content.decode()
    assert "1 Convai token is affected." in content
    assert "1 more is selected and needs nothing." in content
    assert dead.fingerprint not in content
    revoker.post(TOKENS, confirmation(asked))

    dead.refresh_from_db()
    assert dead.status == TokenStatus.REVOKED
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(live.pk)]


def test_nothing_to_revoke_is_told_without_a_question(revoker: Client) -> None:
    token = make_token(status=TokenStatus.GONE)
    wiped = make_token(value="wiped", status=TokenStatus.EXPIRED)
    ConvaiToken.objects.filter(pk=wiped.pk).update(sealed="")

    page = act(revoker, TOKENS, "revoke_selected", token, wiped)

    assert messages(page) == ["None of the selected tokens is left to revoke. Nothing was done."]
    assert "cl" in page.context
