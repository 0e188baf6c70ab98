"""A learner's story as a person reads it, and whose it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from convai_tokens.admin import story
from convai_tokens.lifecycle.audit import event, record_all
from convai_tokens.models import EndReason, EventKind, LearnerSession
from tests.convai_tokens.admin.rows import SESSIONS, VIEWS, make_session, make_token, staff_client

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _utc(settings: Any) -> None:
    settings.TIME_ZONE = "UTC"


STORY = SESSIONS + "story/"
NINE = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)


def tell(session: LearnerSession, *steps: tuple[float, str, str], token: int = 7) -> None:
    """Add events of a session, each so many seconds after its start."""
    told = []
    for seconds, kind, detail in steps:
        of_token = None if kind.startswith("session") else token
        it = event(EventKind(kind), session.pk, of_token, detail)
        it.at = session.started_at + timedelta(seconds=seconds)
        told.append(it)
    record_all(told)


def a_day(username: str = "learner", **fields: Any) -> LearnerSession:
    """Add a session of nine o'clock with the steps of a usual day."""
    from convai_tokens.models import TokenEvent

    fields = {"started_at": NINE, "ended_at": NINE, "end_reason": EndReason.LOGOUT, **fields}
    session = make_session(username, **fields)
    TokenEvent.objects.all().purge()
    tell(
        session,
        (0, "session_started", ""),
        (0.4, "generated", ""),
        (3480, "extended", ""),
        (5000, "session_ended", "logout"),
        (5000, "owed", "Session ended: logout"),
        (5000.3, "revoked", ""),
    )
    return session


def steps(response: Any) -> list[str]:
    """Return the steps of all sessions as text."""
    items = re.findall(r"<li>(<time.*?)</li>", response.content.decode())
    return [re.sub(r"<[^>]+>", "", item) for item in items]


def test_a_session_is_told_in_sentences(auditor: Client) -> None:
    session = a_day()

    page = auditor.get(f"{STORY}?user={session.user_id}")

    assert steps(page) == [
        "09:00 login at kiosk-3 (knox), token generated",
        "09:58 token extended",
        "10:23 logout, revoked after 0.3 s",
    ]
    assert "Wednesday, 1 July 2026" in page.content.decode()
    assert "Times are in UTC." in page.content.decode()


def test_what_went_wrong_and_who_did_it_is_told(auditor: Client, make_user: Any) -> None:
    session = make_session(started_at=NINE, device="")
    staff = make_user("teacher")
    told = [
        event(EventKind.FAILED, session.pk, 1, "convai_timeout: late"),
        event(EventKind.OWED, session.pk, 2, "Revoked by staff", staff),
        event(EventKind.SESSION_ENDED, session.pk, None, "staff", staff),
        event(EventKind.SESSION_RESUMED, session.pk),
        event(EventKind.LAPSED, session.pk, 2),
        event(EventKind.UNKNOWN, session.pk, 3, "reset"),
        event(EventKind.REVOKED, session.pk, 4),
        event(EventKind.GONE, session.pk, 5),
        event(EventKind.EXPIRED, session.pk, 6),
    ]
    for number, it in enumerate(told):
        it.at = NINE + timedelta(minutes=number + 1)
    record_all(told)

    text = "\n".join(steps(auditor.get(f"{STORY}?user={session.user_id}")))

    for words in (
        "login (knox)",
        "no token: convai_timeout: late",
        "to be revoked by teacher",
        "ended by staff by teacher",
        "seen again",
        "revocation given up",
        "nobody knows whether Convai made a token: reset",
        "revoked",
        "Convai doesn&#x27;t know the token any more",
        "token expired",
    ):
        assert words in text


def test_a_night_shift_tells_the_day_of_what_came_after_midnight(auditor: Client) -> None:
    session = make_session(started_at=NINE.replace(hour=23))
    tell(session, (3 * 3600, "extended", ""))

    assert "2026-07-02 02:00 token extended" in steps(
        auditor.get(f"{STORY}?user={session.user_id}")
    )


def test_the_newest_come_first_and_older_ones_on_further_pages(
    auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "SESSIONS", 2)
    for day in range(5):
        session = a_day(started_at=NINE + timedelta(days=day), device=f"ward-{day}")
    # Two at the same moment must not be lost between pages.
    LearnerSession.objects.filter(device="ward-2").update(started_at=NINE + timedelta(days=3))
    seen, address = list[str](), f"{STORY}?user={session.user_id}"
    while address:
        page = auditor.get(address)
        seen += [told.link for _day, sessions in page.context["days"] for told in sessions]
        address = f"{STORY}?{page.context['older']}" if page.context["older"] else ""

    assert len(seen) == len({*seen}) == 5
    assert "Newest sessions" in page.content.decode()
    assert "Older sessions" not in page.content.decode()


def test_of_a_session_with_many_steps_the_newest_are_told(
    auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "STEPS", 3)
    session = make_session(started_at=NINE)
    tell(session, *((60.0 * n, "extended", "") for n in range(9)))

    page = auditor.get(f"{STORY}?user={session.user_id}")

    assert [step.split()[0] for step in steps(page)] == ["09:06", "09:07", "09:08"]
    assert "Only the newest steps are shown" in page.content.decode()


def test_a_deleted_learner_is_told_by_name_and_another_of_that_name_is_not(
    auditor: Client,
) -> None:
    gone = a_day()
    LearnerSession.objects.update(user=None)
    make_session(device="another")

    content = auditor.get(f"{STORY}?username={gone.username}").content.decode()

    assert "kiosk-3" in content
    assert "another" not in content


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?user=none",
        "?user=0",
        f"?user={10**30}",
        "?username=nobody",
        "?user=1&before=x",
        "?user=1&before=x,y",
    ],
)
def test_whose_story_cannot_be_told_is_not_found(auditor: Client, query: str) -> None:
    assert auditor.get(STORY + query).status_code == 404


@pytest.mark.parametrize("missing", VIEWS)
def test_who_may_not_see_all_of_it_is_refused_and_finds_no_link(missing: str) -> None:
    session = a_day()
    client = staff_client("staff", *(name for name in VIEWS if name != missing))

    assert client.get(f"{STORY}?user={session.user_id}").status_code == 403
    assert "story/" not in client.get(SESSIONS).content.decode()


def test_it_costs_as_many_queries_for_40_sessions_as_for_one(auditor: Client) -> None:
    counts = []
    for rows in (1, 39):
        for number in range(rows):
            session = make_session(device=f"{rows}-{number}")
            make_token(session, f"{rows}-{number}")
        address = f"{STORY}?user={session.user_id}"
        auditor.get(address)
        with CaptureQueriesContext(connection) as queries:
            auditor.get(address)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 12
