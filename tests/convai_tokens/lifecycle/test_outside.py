"""No transaction is open and no pooled connection held while Convai is called."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import connection, transaction

from convai_tokens.convai.client import get_client
from convai_tokens.exceptions import TransactionOpen
from convai_tokens.lifecycle import issuing, outside
from convai_tokens.models import ConvaiToken
from tests.builders import make_session


@pytest.mark.django_db(transaction=True)
def test_a_transaction_is_refused_with_the_remedy(
    learner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    session = make_session(learner)

    with transaction.atomic(), pytest.raises(TransactionOpen):
        issuing.generate(session)

    assert "after ConvaiTokenMiddleware" in caplog.text
    assert not ConvaiToken.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_autocommit_that_is_off_is_refused_with_the_remedy(
    learner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    session = make_session(learner)

    transaction.set_autocommit(False)
    try:
        with pytest.raises(TransactionOpen):
            issuing.generate(session)
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)

    assert "Remove AUTOCOMMIT" in caplog.text


@pytest.mark.django_db
def test_a_test_cases_own_transaction_is_let_pass(caplog: pytest.LogCaptureFixture) -> None:
    outside.check_no_transaction()

    assert not [it for it in caplog.records if it.levelno >= logging.ERROR]


@pytest.mark.parametrize("pooled", [True, False])
def test_a_pooled_connection_is_given_back_for_the_call(
    convai: Any, learner: Any, pooled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(learner)
    held: list[bool] = []
    # The pool itself is PostgreSQL's; whether the connection is given back is asked of any.
    monkeypatch.setattr(outside, "_is_pooled", lambda connection: pooled)
    client = get_client()
    generate = client.generate

    def watched(*args: Any, **kwargs: Any) -> Any:
        held.append(connection.connection is not None)
        return generate(*args, **kwargs)

    monkeypatch.setattr(client, "generate", watched)
    issuing.generate(session)

    assert held == [not pooled]


def test_a_pool_is_told_by_the_databases_options() -> None:
    for options, pooled in (
        ({}, False),
        ({"pool": False}, False),
        ({"pool": {"max_size": 4}}, True),
    ):
        site = type("Connection", (), {"settings_dict": {"OPTIONS": options}})
        assert outside._is_pooled(site) is pooled
