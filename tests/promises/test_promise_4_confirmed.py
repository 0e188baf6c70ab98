"""Promise 4: revoked stands only where Convai said so, in words that we understand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from convai_sandbox.switches import IN_FRONT
from convai_tokens.convai.client import forget_client
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import ConvaiToken, EventKind, TokenEvent, TokenStatus


@pytest.mark.parametrize("in_front", IN_FRONT)
def test_promise_4_nothing_is_revoked_by_what_answers_in_convais_place(
    convai: Any, learner: Any, client: Client, log_in: Any, in_front: str
) -> None:
    log_in()
    convai.set(in_front=in_front)

    client.post("/logout/json/")

    token = ConvaiToken.objects.get()
    assert token.status == TokenStatus.REVOKING
    assert token.sealed
    assert token.last_error.startswith("convai_not_understood: ")
    assert not TokenEvent.objects.filter(kind__in=[EventKind.REVOKED, EventKind.GONE]).exists()
    assert len(convai.live()) == 1

    convai.set(in_front="")
    ConvaiToken.objects.update(next_attempt_at=token.owed_since)
    assert sweep(workers=1).revoked == 1
    assert convai.live() == []


def test_promise_4_a_page_in_convais_place_erases_no_backlog(
    convai: Any, convai_settings: Callable[..., None], learner: Any, log_in: Any
) -> None:
    convai_settings(DISPATCHER=lambda token_ids: None)
    for _ in range(12):
        client = Client()
        log_in(client=client)
        client.post("/logout/json/")
    convai.set(in_front="maintenance")

    report = sweep(workers=4)

    # The breaker opens: what is owed isn't even tried while the page is up.
    assert (report.revoked, report.gone, report.owed) == (0, 0, 12)
    assert ConvaiToken.objects.exclude(sealed="").count() == 12
    assert convai.summary()["calls"]["/user/revoke-token"] <= 3 + 4

    convai.set(in_front="")
    forget_client()  # as after the breaker's pause
    ConvaiToken.objects.update(next_attempt_at=ConvaiToken.objects.earliest("pk").owed_since)
    assert sweep(workers=4).revoked == 12
    assert convai.live() == []


def test_promise_4_an_extension_that_nobody_confirms_is_no_extension(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    before = ConvaiToken.objects.get()
    convai.set(in_front="maintenance")

    answers = [client.post("/convai/token/extend/") for _ in range(4)]

    assert {answer.status_code for answer in answers} == {503}
    assert {answer.json()["error"]["code"] for answer in answers} == {"convai_not_understood"}
    after = ConvaiToken.objects.get()
    assert (after.expires_at, after.extend_count) == (before.expires_at, 0)
    # Nor does it keep anybody from a fresh token.
    convai.set(in_front="")
    assert client.post("/convai/token/").status_code == 200
