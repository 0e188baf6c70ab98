"""One search for all lists: whom it finds, by what, and what it says."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from convai_tokens.admin import searching
from convai_tokens.lifecycle.audit import record
from convai_tokens.lifecycle.sealing import fingerprint
from convai_tokens.models import EventKind
from convai_tokens.secret import Secret
from tests.convai_tokens.admin.rows import (
    EVENTS,
    LISTS,
    SESSIONS,
    TOKENS,
    listed,
    make_session,
    make_token,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna(make_user: Any) -> Any:
    """A learner with a session and a token, beside another one."""
    make_token(make_session("somebody"), "another")
    anna = make_user("a.alpha", first_name="Anna", last_name="Alpha", email="anna@example.com")
    make_token(make_session("a.alpha"), "hers")
    return anna


@pytest.mark.usefixtures("anna")
@pytest.mark.parametrize(
    "term", ["a.al", "Anna", "anna", "Alpha", "Anna Al", "anna@example", "{fingerprint}", "{half}"]
)
@pytest.mark.parametrize(("address", "rows"), [(SESSIONS, 1), (TOKENS, 1), (EVENTS, 1)])
def test_each_list_finds_what_a_text_names(
    auditor: Client, address: str, rows: int, term: str
) -> None:
    mark = fingerprint(Secret("hers"))

    page = auditor.get(address, {"q": term.format(fingerprint=mark, half=mark[:6])})

    found = listed(page)
    assert len(found) >= rows
    sessions = {getattr(row, "session", row).username for row in found}
    assert sessions == {"a.alpha"}
    assert "was searched as the beginning of" in page.content.decode()


@pytest.mark.parametrize("address", LISTS)
@pytest.mark.parametrize("term", ["nobody", "%", "_", "\\", "\u00e9", "x" * 300, "abcdef"])
def test_what_names_nothing_finds_nothing(auditor: Client, address: str, term: str) -> None:
    make_token()

    assert listed(auditor.get(address, {"q": term})) == []


def test_events_are_found_by_the_staff_member_who_did_them(auditor: Client, make_user: Any) -> None:
    session = make_session()
    actor = make_user("teacher", first_name="Thea", is_staff=True)
    record(EventKind.OWED, session.pk, actor=actor)

    for term in ("teach", "Thea"):
        assert [row.actor_name for row in listed(auditor.get(EVENTS, {"q": term}))] == ["teacher"]
    actor.delete()
    assert len(listed(auditor.get(EVENTS, {"q": "teach"}))) == 1


def test_a_deleted_learner_is_found_by_name(auditor: Client) -> None:
    session = make_session()
    get_user_model().objects.filter(username="learner").delete()

    assert [row.pk for row in listed(auditor.get(SESSIONS, {"q": "learn"}))] == [session.pk]


def test_it_says_how_much_was_found_and_when_that_is_not_all(
    auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "CAP", 2)
    for number in range(3):
        make_token(make_session(), f"value-{number}")

    content = auditor.get(SESSIONS, {"q": "learner"}).content.decode()

    assert "learners by username, name or e-mail address: 2 sessions" in content
    assert "no more than 2 of each" in content


def test_what_was_searched_is_escaped(auditor: Client) -> None:
    content = auditor.get(SESSIONS, {"q": "<script>"}).content.decode()

    assert "“&lt;script&gt;” was searched" in content


def test_a_user_model_without_names_is_searched_by_what_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(searching, "_is_text", lambda model, name: False)

    assert list(searching._users("anna")) == []
