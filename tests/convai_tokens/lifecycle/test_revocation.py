"""Owed revocations: claim, call, record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from convai_tokens.convai.client import forget_client, get_client
from convai_tokens.exceptions import ConvaiRefused, ErrorCode
from convai_tokens.lifecycle import revocation
from convai_tokens.lifecycle.sealing import seal
from convai_tokens.models import ConvaiToken, TokenStatus
from convai_tokens.models.moments import utc_now
from convai_tokens.secret import Secret
from tests.builders import make_session


@pytest.fixture
def owed(db: None, learner: Any, convai_settings: Callable[..., None]) -> Callable[[int], None]:
    """Make owed revocations of values that Convai doesn't know."""
    convai_settings(DISPATCHER=lambda token_ids: None)

    def make(count: int) -> None:
        now = utc_now()
        session = make_session(learner)
        for number in range(count):
            token = ConvaiToken.objects.create(
                session=session, status=TokenStatus.REVOKING, owed_since=now, next_attempt_at=now
            )
            ConvaiToken.objects.filter(pk=token.pk).update(
                sealed=seal(Secret(f"value-{number}"), token.pk, token.session_id)
            )

    return make


def test_an_attempt_that_finds_convai_down_asks_not_even_the_database(
    convai: Any, owed: Callable[[int], None], django_assert_num_queries: Any
) -> None:
    owed(1)
    token_id = ConvaiToken.objects.get().pk
    get_client().revoking.heard(ConvaiRefused("No such key.", code=ErrorCode.CONVAI_BAD_KEY))

    with django_assert_num_queries(0):
        assert revocation.attempt([token_id]) == []

    assert [token.pk for token in revocation.claim(1)] == [token_id]  # it is the sweep's now


def test_a_claim_excludes_everybody_else(owed: Callable[[int], None]) -> None:
    owed(5)

    first, second = revocation.claim(3), revocation.claim(3)

    assert (len(first), len(second)) == (3, 2)
    assert not {token.pk for token in first} & {token.pk for token in second}
    assert revocation.claim(3) == []


def test_an_attempt_at_many_claims_no_more_than_its_lease_is_long_enough_for(
    convai: Any, owed: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    owed(revocation.CLAIM * 2 + 1)
    claimed: list[int] = []
    revoke = revocation.revoke_claimed

    def noted(token: ConvaiToken) -> str | None:
        claimed.append(ConvaiToken.objects.filter(claimed_until__gt=utc_now()).count())
        return revoke(token)

    monkeypatch.setattr(revocation, "revoke_claimed", noted)

    dead = revocation.attempt([token.pk for token in ConvaiToken.objects.all()])

    assert dead == [TokenStatus.GONE] * 9
    assert max(claimed) == revocation.CLAIM


def test_the_longest_due_come_first(owed: Callable[[int], None]) -> None:
    owed(3)
    last = ConvaiToken.objects.order_by("-pk")[0]
    ConvaiToken.objects.filter(pk=last.pk).update(next_attempt_at=utc_now() - timedelta(hours=1))

    assert [token.pk for token in revocation.claim(1)] == [last.pk]


def test_what_is_not_due_yet_is_not_claimed(owed: Callable[[int], None]) -> None:
    owed(1)
    ConvaiToken.objects.update(next_attempt_at=utc_now() + timedelta(seconds=5))

    assert revocation.claim(1) == []


def test_a_late_worker_does_not_undo_what_another_has_noted(
    convai: Any, owed: Callable[[int], None]
) -> None:
    owed(1)
    [late] = revocation.claim(1)
    with time_machine.travel(utc_now() + revocation.LEASE + timedelta(seconds=1)):
        [other] = revocation.claim(1)
        convai.set(faults={"503": 1})
        forget_client()
        revocation.revoke_claimed(late)

    token = ConvaiToken.objects.get()
    assert token.claimed_until == other.claimed_until  # the other's lease stands
    assert token.attempts == 0


def test_a_late_success_counts_whoever_holds_the_lease(
    convai: Any, owed: Callable[[int], None]
) -> None:
    owed(1)
    [late] = revocation.claim(1)
    with time_machine.travel(utc_now() + revocation.LEASE + timedelta(seconds=1)):
        revocation.claim(1)
        revocation.revoke_claimed(late)

    assert ConvaiToken.objects.get().status == TokenStatus.GONE


def test_an_open_breaker_is_no_attempt(convai: Any, owed: Callable[[int], None]) -> None:
    owed(4)
    convai.set(faults={"503": 1})

    for token in revocation.claim(4):
        revocation.revoke_claimed(token)

    assert list(ConvaiToken.objects.order_by("pk").values_list("attempts", flat=True)) == [
        1,
        1,
        1,
        0,
    ]
    assert not ConvaiToken.objects.filter(claimed_until__isnull=False).exists()
    # What was not called for is still due, for a process that may know Convai to be well.
    assert ConvaiToken.objects.due(utc_now()).count() == 1


def test_retry_after_is_honoured(convai: Any, owed: Callable[[int], None]) -> None:
    owed(1)
    convai.set(faults={"429": 1}, retry_after="300")

    revocation.attempt([ConvaiToken.objects.get().pk])

    token = ConvaiToken.objects.get()
    assert token.next_attempt_at is not None
    assert token.next_attempt_at > utc_now() + timedelta(seconds=295)
    assert token.last_error.startswith("convai_rate_limited")


def test_the_wait_grows_with_jitter_up_to_half_a_minute() -> None:
    waits = [[revocation.delay(n, None).total_seconds() for _ in range(50)] for n in range(20)]

    assert all(1 <= wait <= 2 for wait in waits[0])
    assert all(2 <= wait <= 4 for wait in waits[1])
    assert all(15 <= wait <= 30 for wait in waits[19])
    assert len(set(waits[5])) > 1


def test_an_expired_token_rejected_without_a_reason_counts_as_gone_after_three_spaced_tries(
    convai: Any, owed: Callable[[int], None]
) -> None:
    owed(1)
    ConvaiToken.objects.update(expires_at=utc_now())
    convai.set(faults={"403": 1}, error_text="no")

    with time_machine.travel(utc_now()) as clock:
        seen = []
        for _ in range(3):
            revocation.attempt([ConvaiToken.objects.get().pk])
            seen.append(ConvaiToken.objects.get().status)
            # Not before five minutes: what ails the way to Convai may be mended by then.
            clock.shift(270)
            revocation.attempt([ConvaiToken.objects.get().pk])
            clock.shift(330)

    assert seen == [TokenStatus.REVOKING, TokenStatus.REVOKING, TokenStatus.GONE]
    assert ConvaiToken.objects.get().attempts == 3


@pytest.mark.parametrize("status", ["401", "403", "404", "405"])
def test_a_live_token_stays_owed_however_often_something_rejects_it_without_a_reason(
    convai: Any, learner: Any, client: Client, log_in: Any, status: str
) -> None:
    """As a gateway, a firewall or a wrong BASE_URL does, until somebody mends it."""
    log_in()
    convai.set(faults={status: 1}, error_text="no")
    client.post("/logout/json/")
    with time_machine.travel(utc_now()) as clock:
        for _ in range(5):
            clock.shift(600)
            revocation.attempt([ConvaiToken.objects.get().pk])
    token = ConvaiToken.objects.get()
    assert (token.status, token.attempts) == (TokenStatus.REVOKING, 6)
    assert token.last_error.startswith("token_rejected")

    convai.set(faults={})
    with time_machine.travel(utc_now() + timedelta(hours=1)):
        revocation.attempt([token.pk])

    assert ConvaiToken.objects.get().status == TokenStatus.REVOKED
    assert convai.live() == []


def test_rejections_before_the_end_of_a_tokens_time_do_not_count_towards_its_death(
    convai: Any, owed: Callable[[int], None]
) -> None:
    owed(1)
    ConvaiToken.objects.update(expires_at=utc_now() + timedelta(minutes=59))
    convai.set(faults={"403": 1}, error_text="no")

    with time_machine.travel(utc_now()) as clock:
        seen = []
        for _ in range(8):
            clock.shift(900)
            revocation.attempt([ConvaiToken.objects.get().pk])
            seen.append(ConvaiToken.objects.get().status)

    # Three while it lived, and three after it had expired.
    assert seen[:5] == [TokenStatus.REVOKING] * 5
    assert seen[5:] == [TokenStatus.GONE] * 3


def test_the_tries_of_what_hardly_helps_are_spaced_up_to_ten_minutes(
    convai: Any, owed: Callable[[int], None]
) -> None:
    owed(1)
    ConvaiToken.objects.update(attempts=30, expires_at=utc_now() + timedelta(hours=1))
    convai.set(faults={"403": 1}, error_text="no")

    revocation.attempt([ConvaiToken.objects.get().pk])

    due = ConvaiToken.objects.get().next_attempt_at
    assert due is not None
    assert timedelta(minutes=4) < due - utc_now() < timedelta(minutes=10)
