"""The hook that the doctor tries."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from convai_tokens.doctor import hooks
from tests.convai_tokens.doctor.findings import (
    FAILED,
    OK,
    SKIPPED,
    WARNING,
    ConvaiSettings,
    names_a_remedy,
)


def by_the_database(user: Any) -> tuple[str, str]:
    found = get_user_model().objects.get(pk=user.pk)
    return f"learner-{found.pk}", found.username


def test_a_hook_that_asks_the_database_is_tried_with_the_newest_user(
    learner: Any, make_user: Any, convai_settings: ConvaiSettings
) -> None:
    newest = make_user("another-learner")
    convai_settings(END_USER=by_the_database)

    finding = hooks.end_user()

    assert finding.status is OK
    assert f"key {newest.pk}" in finding.detail
    assert "another-learner" not in repr(finding)


def test_without_a_user_it_is_not_tried(db: None) -> None:
    assert hooks.end_user().status is SKIPPED


def test_what_a_system_check_tells_is_not_told_twice(
    learner: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(END_USER="no.such.hook")

    assert hooks.end_user().status is SKIPPED


@pytest.mark.parametrize(
    ("hook", "status"),
    [
        (lambda user: 1 // 0, FAILED),
        (lambda user: ("1", "name", "more"), FAILED),
        (lambda user: None, FAILED),
        (lambda user: ("", "name"), WARNING),
        (lambda user: ("1", " "), WARNING),
    ],
)
def test_a_hook_that_fails_or_gives_blanks_is_told_with_a_remedy(
    learner: Any, convai_settings: ConvaiSettings, hook: Any, status: Any
) -> None:
    convai_settings(END_USER=hook)

    finding = hooks.end_user()

    assert finding.status is status
    assert names_a_remedy(finding)
