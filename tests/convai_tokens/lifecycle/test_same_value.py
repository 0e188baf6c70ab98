"""Convai answers two generate calls with the same token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from convai_tokens.convai.client import get_client
from convai_tokens.exceptions import ConvaiUnavailable, TokenGone
from convai_tokens.lifecycle import issuing
from convai_tokens.lifecycle.ending import end_session
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import ConvaiToken, EndReason, TokenEvent, TokenStatus
from tests.builders import open_session

Two = tuple[Client, Client]


@pytest.fixture
def two_with_one_token(
    convai: Any, learner: Any, make_user: Callable[..., Any], log_in: Callable[..., Any]
) -> Two:
    """Two learners, who log in, and get the same token."""
    convai.set(same_token=True)
    make_user("another-learner")
    first, second = Client(), Client()
    tokens = {
        log_in(client=first).json()["convai"]["apiAuthToken"],
        log_in(client=second, username="another-learner").json()["convai"]["apiAuthToken"],
    }
    assert tokens == {*convai.live()}
    return first, second


def statuses() -> list[str]:
    return list(ConvaiToken.objects.order_by("pk").values_list("status", flat=True))


def test_it_is_said_at_error_without_the_value(
    two_with_one_token: Two, convai: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = ConvaiToken.objects.order_by("pk")
    (said,) = [it for it in caplog.get_records("setup") if it.levelname == "ERROR"]

    assert said.getMessage() == f"Convai gave token {second.pk} the value of [{first.pk}] again."
    assert convai.live()[0] not in str(vars(said))


@pytest.mark.parametrize("who", [0, 1])
def test_the_end_of_one_session_leaves_no_row_active_of_what_is_dead(
    two_with_one_token: Two, convai: Any, who: int
) -> None:
    two_with_one_token[who].post("/logout/json/")

    assert convai.live() == []
    assert sorted(statuses()) == [TokenStatus.GONE, TokenStatus.REVOKED]
    other = ConvaiToken.objects.get(status=TokenStatus.GONE)
    event = TokenEvent.objects.get(token=other, kind="gone")
    assert other.sealed == ""
    assert other.revoked_at is not None
    assert "which is revoked" in event.detail


def test_the_other_learner_gets_a_fresh_token_afterwards(
    two_with_one_token: Two, convai: Any
) -> None:
    first, second = two_with_one_token
    first.post("/logout/json/")

    assert second.post("/convai/token/extend/").json()["error"]["code"] == "no_live_token"
    fresh = second.post("/convai/token/").json()["apiAuthToken"]

    assert convai.live() == [fresh]
    assert statuses()[2:] == [TokenStatus.ACTIVE]


def test_a_value_whose_revocation_is_owed_is_handed_to_nobody(convai: Any, learner: Any) -> None:
    convai.set(same_token=True, faults={"503": 1}, fault_paths=["revoke"])
    ending = open_session(learner, "first")
    issuing.generate(ending)
    end_session(ending.pk, EndReason.LOGOUT)
    sweep(workers=1)
    assert statuses() == [TokenStatus.REVOKING]

    with pytest.raises(ConvaiUnavailable, match="had ended"):
        issuing.generate(open_session(learner, "second"))

    assert statuses() == [TokenStatus.REVOKING] * 2


def test_one_that_is_gone_when_it_is_to_be_extended_is_gone_for_both(
    convai: Any, learner: Any
) -> None:
    convai.set(same_token=True)
    first, second = open_session(learner, "first"), open_session(learner, "second")
    value = issuing.generate(first).value
    issuing.generate(second)
    get_client().revoke(value)

    with pytest.raises(TokenGone):
        issuing.extend(first)

    assert statuses() == [TokenStatus.GONE] * 2


def test_tokens_of_their_own_values_are_none_of_each_others(convai: Any, learner: Any) -> None:
    first, second = open_session(learner, "first"), open_session(learner, "second")
    issuing.generate(first)
    issuing.generate(second)

    end_session(first.pk, EndReason.LOGOUT)
    sweep(workers=1)

    assert statuses() == [TokenStatus.REVOKED, TokenStatus.ACTIVE]
