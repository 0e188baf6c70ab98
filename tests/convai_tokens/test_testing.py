"""The double of Convai, as an LMS's own tests use it."""

from __future__ import annotations

import re
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, TestCase, TransactionTestCase

from convai_tokens.convai.client import get_client
from convai_tokens.models import ConvaiToken, TokenStatus
from convai_tokens.testing import ConvaiDouble
from tests.conftest import PASSWORD

PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"


@pytest.fixture
def double() -> Iterator[ConvaiDouble]:
    with ConvaiDouble() as convai:
        yield convai


@pytest.mark.parametrize("kind", [TestCase, TransactionTestCase])
def test_the_example_in_the_documentation_runs(
    kind: type[TestCase], transactional_db: None, make_user: Callable[..., Any]
) -> None:
    (example,) = re.findall(r"```python\n(from convai_tokens.*?)```", PAGE.read_text(), re.DOTALL)
    namespace: dict[str, Any] = {"CREDENTIALS": {"username": "learner", "password": PASSWORD}}
    exec(example.replace("TestCase", kind.__name__), namespace)

    def set_up(self: Any) -> None:
        make_user("learner")
        self.convai = self.enterContext(ConvaiDouble())

    tests = type("LoginTests", (namespace["LoginTests"],), {"setUp": set_up})
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(tests).run(result)

    assert (result.testsRun, result.failures, result.errors) == (2, [], [])


def test_a_token_lives_is_extended_and_revoked(
    double: ConvaiDouble, learner: Any, client: Client, log_in: Any
) -> None:
    token = double.assert_has_token(log_in())
    extended = client.post("/convai/token/extend/")
    fresh = double.assert_has_token(client.post("/convai/token/"))

    assert double.assert_has_token(extended) == token
    assert double.live == [token, fresh]

    client.delete("/convai/token/")
    double.assert_revoked(token)
    double.assert_revoked(fresh)

    assert double.live == []
    assert double.calls == {"generate": 2, "extend": 1, "revoke": 2}
    assert {*ConvaiToken.objects.values_list("status", flat=True)} == {TokenStatus.REVOKED}


def test_each_assertion_fails_where_it_does_not_hold(
    double: ConvaiDouble, learner: Any, log_in: Any
) -> None:
    login = log_in()
    token = double.assert_has_token(login)

    with pytest.raises(AssertionError, match="has a token"):
        double.assert_no_token(login)
    with pytest.raises(AssertionError, match="it is active"):
        double.assert_revoked(token)
    with pytest.raises(AssertionError, match="no live token"):
        double.assert_has_token(HttpResponse("{}"))
    with pytest.raises(AssertionError, match="no error 'convai_busy'"):
        double.assert_no_token(HttpResponse("{}" * 1000), code="convai_busy")


def test_what_is_dead_is_known_no_more(
    double: ConvaiDouble, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    double.live.clear()

    assert client.post("/convai/token/extend/").json()["error"]["code"] == "token_gone"


def test_a_blank_key_is_enough(convai_settings: Any, learner: Any, log_in: Any) -> None:
    convai_settings(API_KEY="")

    with ConvaiDouble() as convai:
        convai.assert_has_token(log_in())


def test_afterwards_the_real_convai_is_called_again(learner: Any, log_in: Any, convai: Any) -> None:
    with ConvaiDouble() as double:
        ours = get_client()
        double.assert_has_token(log_in())

    assert get_client() is not ours
    assert log_in().json()["convai"]["apiAuthToken"] in convai.live()
