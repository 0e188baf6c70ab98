"""Promise 5: no token value at rest in clear; sealed while it may live, wiped when it is dead."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from convai_tokens.convai.client import forget_client
from convai_tokens.exceptions import SealBroken
from convai_tokens.lifecycle.sealing import fingerprint, unseal
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import ConvaiToken, LearnerSession, TokenStatus
from convai_tokens.models.moments import utc_now
from convai_tokens.secret import Secret


def test_promise_5_a_live_token_is_sealed_and_a_dead_one_is_wiped(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    value = log_in().json()["convai"]["apiAuthToken"]
    token = ConvaiToken.objects.get()
    assert value not in token.sealed
    assert unseal(token.sealed, token.pk, token.session_id) == Secret(value)
    assert token.fingerprint == fingerprint(Secret(value))

    client.post("/logout/json/")

    token.refresh_from_db()
    assert token.sealed == ""
    assert token.fingerprint == fingerprint(Secret(value))


def test_promise_5_a_sealed_value_swapped_into_another_row_does_not_open(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    client.post("/convai/token/")
    first, second = ConvaiToken.objects.order_by("pk")
    ConvaiToken.objects.filter(pk=second.pk).update(sealed=first.sealed)

    with pytest.raises(SealBroken):
        unseal(first.sealed, second.pk, second.session_id)
    answer = client.post("/convai/token/extend/")

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "seal_broken"


def test_promise_5_a_value_that_cannot_be_opened_stays_owed_and_is_told(
    convai: Any, convai_settings: Any, learner: Any, client: Client, log_in: Any
) -> None:
    convai_settings(ENCRYPTION_KEYS=["first-" + "k" * 40])
    log_in()
    convai_settings(ENCRYPTION_KEYS=["second-" + "k" * 40])

    client.post("/logout/json/")

    token = ConvaiToken.objects.get()
    assert token.status == TokenStatus.REVOKING
    assert token.last_error.startswith("seal_broken")
    convai_settings(ENCRYPTION_KEYS=["second-" + "k" * 40, "first-" + "k" * 40])
    with time_machine.travel(utc_now() + timedelta(minutes=1)):
        assert sweep(workers=1).revoked == 1
    assert convai.live() == []


def test_promise_5_a_new_key_finds_the_sessions_of_the_old_one(
    convai: Any, convai_settings: Any, learner: Any, client: Client, log_in: Any, bearer: Any
) -> None:
    old, new = "old-" + "k" * 40, "new-" + "k" * 40
    convai_settings(ENCRYPTION_KEYS=[old])
    login = log_in("/login/knox/")
    convai_settings(ENCRYPTION_KEYS=[new, old])

    assert client.post("/convai/token/", headers=bearer(login)).status_code == 200
    assert client.post("/logout/knox/", headers=bearer(login)).status_code == 204

    assert LearnerSession.objects.count() == 1
    assert convai.live() == []


def test_promise_5_an_expired_tokens_value_stays_sealed_until_the_horizon(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    """Expired by our clock is not dead: whoever has the token may have extended it."""
    log_in()
    with time_machine.travel(utc_now() + timedelta(hours=2)) as clock:
        assert sweep(workers=1).expired == 1
        assert ConvaiToken.objects.get().sealed
        clock.shift(timedelta(hours=25))
        assert sweep(workers=1).wiped == 1
    token = ConvaiToken.objects.get()
    assert (token.status, token.sealed) == (TokenStatus.EXPIRED, "")


def test_promise_5_an_expired_token_is_revoked_when_its_session_ends(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    with time_machine.travel(utc_now() + timedelta(hours=2)):
        sweep(workers=1)
        forget_client()
        client.post("/logout/json/")

    assert ConvaiToken.objects.get().status == TokenStatus.REVOKED
    assert convai.live() == []
