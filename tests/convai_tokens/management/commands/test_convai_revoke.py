"""Revoking by hand: whose, how many, asked first, and what is left."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from convai_tokens.convai.client import forget_client
from convai_tokens.models import ConvaiToken, EventKind, LearnerSession, TokenEvent, TokenStatus


def run(*options: str) -> str:
    out = io.StringIO()
    call_command("convai_revoke", *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def two_learners(
    convai: Any, convai_settings: Callable[..., None], make_user: Any, log_in: Any
) -> None:
    """One learner with a session on a kiosk and one elsewhere, and another learner."""
    convai_settings(DISPATCHER=lambda token_ids: None)
    for name, device in (("first", "kiosk 1"), ("first", ""), ("second", "kiosk 2")):
        if not LearnerSession.objects.filter(username=name).exists():
            make_user(name)
        log_in(username=name, client=Client(), device=device)


@pytest.mark.usefixtures("two_learners")
@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--user", "first"], 1),
        (["--user", "second"], 2),
        (["--user", "nobody"], 3),
        (["--device", "kiosk 1"], 2),
        (["--device", "kiosk"], 3),
        (["--all"], 0),
    ],
    ids=str,
)
def test_the_tokens_of_those_who_are_named_are_dead_at_once(
    convai: Any, options: list[str], left: int
) -> None:
    run(*options, "--yes")

    assert len(convai.live()) == left
    assert ConvaiToken.objects.filter(status=TokenStatus.ACTIVE).count() == left
    assert LearnerSession.objects.filter(ended_at=None).count() == 3


@pytest.mark.usefixtures("two_learners")
def test_a_session_is_named_by_its_id(convai: Any) -> None:
    session = LearnerSession.objects.get(device="kiosk 1")

    told = run("--session", str(session.pk), "--yes")

    assert told.splitlines() == [
        "1 tokens may be alive, 0 are owed already.",
        "marked 1 of 1",
        "revoked=1 gone=0 owed=0",
    ]
    events = TokenEvent.objects.filter(kind=EventKind.OWED)
    assert [(event.session_id, event.detail) for event in events] == [
        (session.pk, "Revoked by convai_revoke")
    ]


@pytest.mark.usefixtures("two_learners")
def test_a_learner_who_was_deleted_or_renamed_is_found_by_either_name(
    convai: Any, django_user_model: Any
) -> None:
    django_user_model.objects.filter(username="first").update(username="renamed")
    django_user_model.objects.filter(username="second").delete()

    run("--user", "renamed", "--yes")
    run("--user", "second", "--yes")

    assert convai.live() == []


@pytest.mark.usefixtures("two_learners")
def test_a_dry_run_counts_and_does_nothing(convai: Any) -> None:
    assert run("--all", "--dry-run") == "3 tokens may be alive, 0 are owed already.\n"

    assert len(convai.live()) == 3
    assert not TokenEvent.objects.filter(kind=EventKind.OWED).exists()


@pytest.mark.usefixtures("two_learners")
@pytest.mark.parametrize("answer", ["no", "", "y", None])
def test_nothing_is_done_without_a_yes(
    convai: Any, monkeypatch: pytest.MonkeyPatch, answer: str | None
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: answer is not None, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)

    with pytest.raises(CommandError, match="Nothing was done"):
        run("--all")

    assert len(convai.live()) == 3


@pytest.mark.usefixtures("two_learners")
def test_what_convai_does_not_confirm_stays_owed_and_a_second_run_goes_on(convai: Any) -> None:
    convai.set(in_front="maintenance")

    with pytest.raises(CommandError, match="revoked=0 gone=0 owed=3"):
        run("--all", "--yes", "--workers", "1")

    assert ConvaiToken.objects.filter(status=TokenStatus.REVOKING).count() == 3
    assert len(convai.live()) == 3

    convai.set(in_front="")
    forget_client()  # as another process has its own
    told = run("--all", "--yes", "--workers", "1")

    assert told.startswith("0 tokens may be alive, 3 are owed already.\n")
    assert "revoked=3 gone=0 owed=0" in told
    assert convai.live() == []


def test_there_must_be_somebody_to_revoke() -> None:
    with pytest.raises(CommandError, match="required"):
        run("--yes")
