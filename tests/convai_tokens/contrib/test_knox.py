"""knox's tokens as credentials; what a login and a logout by them do is in ``tests/stacks``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from knox.models import AuthToken

from convai_tokens.contrib import knox
from convai_tokens.logins.bearer_stacks import bearer_credential
from convai_tokens.logins.credentials import credential_of_login
from tests.builders import login_response


def test_a_login_response_is_known_by_the_token_that_it_hands_out(learner: Any) -> None:
    instance, token = AuthToken.objects.create(learner)

    login = login_response({"token": token, "expiry": None})

    assert [*knox.handed_out(login)] == [(learner.pk, instance.digest)]


@pytest.mark.parametrize("data", [{}, {"token": None}, {"token": {"access": "x"}}, {"token": "x"}])
@pytest.mark.django_db
def test_a_response_without_a_token_of_knox_is_none_of_its_logins(data: dict[str, Any]) -> None:
    assert [*knox.handed_out(login_response(data))] == []


def test_another_learners_token_is_none_of_this_learners(learner: Any, make_user: Any) -> None:
    _, token = AuthToken.objects.create(make_user("second-learner"))

    assert credential_of_login(learner, login_response({"token": token})) is None


def test_a_request_is_known_by_the_row_that_authenticated_it(learner: Any) -> None:
    instance, _ = AuthToken.objects.create(learner)
    by_knox: Any = SimpleNamespace(auth=instance)
    by_another: Any = SimpleNamespace(auth="a text")

    assert knox.from_request(by_knox) == instance.digest
    assert knox.from_request(by_another) is None


def test_a_credential_is_alive_as_long_as_its_row_is_there(learner: Any) -> None:
    instance, _ = AuthToken.objects.create(learner)
    credential = bearer_credential("knox", instance.digest)
    assert credential.is_alive(learner)

    instance.delete()

    assert not credential.is_alive(learner)
