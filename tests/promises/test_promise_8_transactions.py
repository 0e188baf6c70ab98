"""Promise 8: no database transaction is open while Convai is being called."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from convai_tokens.convai.client import ConvaiClient
from convai_tokens.lifecycle import issuing
from convai_tokens.models import ConvaiToken, LearnerSession


@pytest.fixture
def in_transaction(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note for each call whether a transaction was open in the thread that waits for it."""
    seen: list[bool] = []
    call = ConvaiClient._call

    def noting(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(connection.in_atomic_block)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(ConvaiClient, "_call", noting)
    return seen


@pytest.fixture(params=[False, True], ids=["autocommit", "ATOMIC_REQUESTS"])
def atomic_requests(request: Any) -> Any:
    before = connection.settings_dict["ATOMIC_REQUESTS"]
    connection.settings_dict["ATOMIC_REQUESTS"] = request.param
    yield request.param
    connection.settings_dict["ATOMIC_REQUESTS"] = before


@pytest.mark.parametrize("stack", ["json", "drf", "knox"])
def test_promise_8_no_transaction_is_open_during_any_call(
    convai: Any,
    learner: Any,
    client: Client,
    log_in: Any,
    bearer: Any,
    stack: str,
    atomic_requests: bool,
    in_transaction: list[bool],
) -> None:
    login = log_in(f"/login/{stack}/")
    headers = bearer(login)
    assert client.post("/convai/token/", headers=headers).status_code == 200
    assert client.post("/convai/token/extend/", headers=headers).status_code == 200
    assert client.delete("/convai/token/", headers=headers).status_code == 204
    assert client.post("/convai/token/", headers=headers).status_code == 200
    assert client.post(f"/logout/{stack}/", headers=headers).status_code == 204

    assert in_transaction == [False] * 7  # 3 generate, 1 extend, 3 revoke
    assert convai.live() == []


def test_promise_8_a_caller_with_an_open_transaction_is_refused(
    convai: Any, learner: Any, log_in: Any, in_transaction: list[bool]
) -> None:
    log_in()
    session = LearnerSession.objects.get()
    in_transaction.clear()

    with pytest.raises(RuntimeError, match="A transaction is open"), transaction.atomic():
        issuing.generate(session)
    with pytest.raises(RuntimeError, match="A transaction is open"), transaction.atomic():
        issuing.extend(session)

    assert in_transaction == []
    assert ConvaiToken.objects.count() == 1


@pytest.mark.parametrize("path", ["/login/fails/", "/login/400/"])
def test_promise_8_a_login_view_that_fails_after_login_generates_nothing(
    convai: Any, learner: Any, log_in: Any, atomic_requests: bool, path: str
) -> None:
    response = log_in(path, client=Client(raise_request_exception=False))

    assert response.status_code in (400, 500)
    assert b"convai" not in response.content
    assert convai.summary()["generated"] == 0
    assert not LearnerSession.objects.exists()
