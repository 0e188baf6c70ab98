"""How long one waits for rows that somebody holds; with real locks in ``tests/databases``."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import OperationalError

from convai_tokens.lifecycle.patience import is_held, within_budget


class Cause(Exception):
    sqlstate = "55P03"


def held() -> OperationalError:
    error = OperationalError("could not obtain lock on row")
    error.__cause__ = Cause()
    return error


@pytest.mark.parametrize("code", [1205, 3572])
def test_what_mariadb_and_mysql_say_of_a_lock(code: int) -> None:
    assert is_held(OperationalError(code, "a lock"))
    assert not is_held(OperationalError(1213, "Deadlock found when trying to get lock"))


def test_what_postgresql_says_of_a_lock() -> None:
    assert is_held(held())
    assert not is_held(OperationalError("server closed the connection"))
    assert not is_held(OperationalError())


def test_a_step_is_taken_again_until_nobody_holds_a_row() -> None:
    errors = [held(), held()]

    def step() -> str:
        if errors:
            raise errors.pop()
        return "done"

    assert within_budget(step) == "done"


def test_not_for_longer_than_the_budget(convai_settings: Callable[..., None]) -> None:
    convai_settings(LOGIN_BUDGET=0.05)
    tries = []

    def step() -> None:
        tries.append(1)
        raise held()

    with pytest.raises(OperationalError):
        within_budget(step)
    assert len(tries) > 1


def test_what_is_no_lock_is_told_at_once() -> None:
    tries = []

    def step() -> None:
        tries.append(1)
        raise OperationalError("deadlock detected")

    with pytest.raises(OperationalError):
        within_budget(step)
    assert tries == [1]
