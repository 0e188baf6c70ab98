"""The audit on the command line: verified, exported, a person forgotten."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from convai_tokens.models import EventKind, LearnerSession, TokenEvent
from convai_tokens.models.moments import utc_now
from tests.builders import make_session


def run(*options: str) -> str:
    out = io.StringIO()
    call_command("convai_audit", *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def two_logins(convai: Any, learner: Any, make_user: Any, log_in: Any) -> None:
    make_user("bystander")
    log_in()
    log_in(username="bystander", client=Client())


@pytest.mark.usefixtures("two_logins")
def test_an_audit_that_is_what_was_written_says_so() -> None:
    told = run("verify")

    assert "0 events in 0 links, to event 0; head -" in told
    assert "4 newer events are in no link yet" in told
    assert told.endswith("The audit is what was written.\n")
    assert json.loads(run("verify", "--json"))["untied"] == 4


def test_a_changed_event_fails_the_command_by_its_name(learner: Any) -> None:
    event = TokenEvent.objects.create(session=make_session(learner), kind="revoked", detail="x")

    with pytest.raises(CommandError, match=f"Event {event.pk} was changed"):
        run("verify")


def test_a_head_that_the_chain_does_not_contain_fails_the_command(db: None) -> None:
    with pytest.raises(CommandError, match="doesn't contain the head 1234"):
        run("verify", "--head", "1234")


def test_events_of_a_lost_key_are_told(learner: Any) -> None:
    TokenEvent.objects.create(session=make_session(learner), kind="revoked", mac="0" * 40)

    assert "1 events can't be checked" in run("verify")


@pytest.mark.usefixtures("two_logins")
@pytest.mark.parametrize("table", ["sessions", "tokens", "events"])
def test_a_table_is_exported_for_one_learner_or_all_and_leaves_an_event(table: str) -> None:
    everybody = run("export", table, "--format", "jsonl").splitlines()
    one = run("export", table, "--format", "jsonl", "--user", "bystander").splitlines()

    assert {json.loads(line)["username"] for line in one} == {"bystander"}
    assert len(everybody) >= 2 * len(one) >= 2
    told = TokenEvent.objects.filter(kind=EventKind.EXPORTED)
    assert {event.detail for event in told} == {f"{table} as jsonl, by convai_audit"}


def test_days_choose_from_the_first_to_the_last_one(learner: Any) -> None:
    now = utc_now()
    for days in range(4):
        make_session(learner, started_at=now - timedelta(days=days), device=f"Day {days}")
    first, last = (f"{(now - timedelta(days=days)).date()}" for days in (2, 1))

    told = run("export", "sessions", "--format", "jsonl", "--from", first, "--to", last)

    assert {json.loads(line)["device"] for line in told.splitlines()} == {"Day 1", "Day 2"}


def test_what_is_no_day_is_told() -> None:
    with pytest.raises(CommandError, match="'yesterday' is not a day such as"):
        run("export", "sessions", "--from", "yesterday")


@pytest.mark.usefixtures("two_logins")
def test_a_person_is_forgotten_only_when_it_is_confirmed() -> None:
    with pytest.raises(CommandError, match="Nothing was done"):
        run("forget", "--user", "learner")
    assert LearnerSession.objects.filter(username="learner").exists()

    told = run("forget", "--user", "learner", "--yes")

    assert "1 learner sessions and 0 acts of staff will be of forgotten-" in told
    assert "sessions=1" in told
    assert "owed=0" in told
    assert not LearnerSession.objects.filter(username="learner").exists()


@pytest.mark.usefixtures("two_logins")
def test_somebody_at_a_terminal_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "Yes")

    assert "sessions=1" in run("forget", "--user", "learner")


@pytest.mark.usefixtures("two_logins")
def test_what_is_still_owed_fails_the_command(convai: Any) -> None:
    convai.set(faults={"503": 1})

    with pytest.raises(CommandError, match="the sweep goes on with them"):
        run("forget", "--user", "learner", "--yes")


def test_a_name_that_is_not_there_is_told(db: None) -> None:
    with pytest.raises(CommandError, match="Nothing in the audit names 'nobody'"):
        run("forget", "--user", "nobody", "--yes")
