"""A failure of ours is logged, and not the LMS's."""

from __future__ import annotations

import traceback

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction

from convai_tokens.exceptions import NotAllowed
from convai_tokens.logins.safety import never_raises, never_shows, retry_after_commit, told


def test_what_goes_wrong_is_logged_with_the_name_of_the_function(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @never_raises
    def on_login(reason: str) -> None:
        raise ValueError(reason)

    on_login("not today")

    assert "convai_tokens: on_login failed" in caplog.messages
    assert "not today" in caplog.text


def test_a_row_whose_text_is_a_secret_is_in_no_frame_of_what_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Row:
        def __repr__(self) -> str:
            return "THE-SECRET"

    @never_shows
    def on_deleted(*, instance: object) -> None:
        del instance
        raise ValueError("not today")

    on_deleted(instance=Row())

    (record,) = caplog.records
    assert record.getMessage() == "convai_tokens: on_deleted failed"
    assert record.exc_info is not None
    frames = list(traceback.walk_tb(record.exc_info[2]))
    assert len(frames) == 2
    assert "THE-SECRET" not in repr([frame.f_locals for frame, _ in frames])


def test_what_ends_the_process_is_not_swallowed() -> None:
    @never_raises
    def on_logout() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        on_logout()


def test_what_the_database_refused_is_tried_once_more_after_the_commit(
    transactional_db: None,
) -> None:
    tries: list[str] = []

    def refused_at_first(reason: str) -> None:
        tries.append(reason)
        if len(tries) == 1:
            raise DatabaseError("deadlock detected")

    with transaction.atomic():
        with pytest.raises(DatabaseError, match="deadlock"):
            retry_after_commit("default", refused_at_first, "logout")
        assert tries == ["logout"]

    assert tries == ["logout", "logout"]


def test_what_succeeds_is_not_tried_again(transactional_db: None) -> None:
    tries: list[str] = []

    with transaction.atomic():
        retry_after_commit("default", tries.append, "logout")

    assert tries == ["logout"]


def test_what_fails_by_itself_is_not_tried_again(transactional_db: None) -> None:
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        raise ValueError("not today")

    with transaction.atomic(), pytest.raises(ValueError, match="not today"):
        retry_after_commit("default", fail)

    assert tries == [1]


def test_a_client_is_told_an_outcome_as_it_is_and_no_other_failures_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outcome = NotAllowed()

    assert told(outcome) is outcome
    assert told(ImproperlyConfigured("CANARY")).code == "convai_misconfigured"
    assert told(ValueError("CANARY")).code == "convai_error"

    assert "CANARY" not in str(told(ImproperlyConfigured("CANARY"))) + str(
        told(ValueError("CANARY"))
    )
    assert caplog.text.count("CANARY") >= 2
