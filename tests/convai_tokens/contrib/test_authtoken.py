"""authtoken's rows as credentials; what a login and a logout by them do is in ``tests/stacks``."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from rest_framework.authtoken.models import Token, TokenProxy

from convai_tokens.contrib import authtoken
from convai_tokens.logins.bearer_stacks import bearer_credential
from convai_tokens.logins.credentials import credential_of_login
from convai_tokens.models import LearnerSession
from tests.builders import login_response


def identity_of(token: Token) -> str:
    return authtoken.identity_of(token.user_id, token.created)


def test_a_login_response_is_known_by_the_key_that_it_hands_out(learner: Any) -> None:
    token = Token.objects.create(user=learner)
    login = login_response({"key": token.key})

    assert [*authtoken.handed_out(login)] == [(learner.pk, identity_of(token))]


@pytest.mark.parametrize("data", [{}, {"token": None}, {"token": "x" * 40}, {"token": "short"}])
def test_a_response_without_a_key_is_none_of_its_logins(data: dict[str, Any], learner: Any) -> None:
    Token.objects.create(user=learner)

    assert [*authtoken.handed_out(login_response(data))] == []


def test_another_learners_key_is_none_of_this_learners(learner: Any, make_user: Any) -> None:
    token = Token.objects.create(user=make_user("second-learner"))

    assert credential_of_login(learner, login_response({"token": token.key})) is None


def test_a_request_is_known_by_the_row_that_authenticated_it(learner: Any) -> None:
    token = Token.objects.create(user=learner)
    by_it: Any = SimpleNamespace(auth=token)
    by_another: Any = SimpleNamespace(auth="a text")

    assert authtoken.from_request(by_it) == identity_of(Token.objects.get())
    assert authtoken.from_request(by_another) is None


def test_a_row_made_anew_is_another_credential_and_the_old_one_is_dead(learner: Any) -> None:
    token = Token.objects.create(user=learner)
    credential = bearer_credential("authtoken", identity_of(token))
    assert credential.is_alive(learner)

    token.delete()
    assert not credential.is_alive(learner)
    again = Token.objects.create(user=learner)
    Token.objects.update(created=again.created + timedelta(seconds=1))

    assert not credential.is_alive(learner)


def test_the_admin_which_deletes_by_a_proxy_ends_the_session_too(
    convai: Any, learner: Any, log_in: Any
) -> None:
    log_in("/login/authtoken/")

    TokenProxy.objects.get().delete()

    assert not LearnerSession.objects.open().exists()
    assert convai.live() == []


def test_the_identity_holds_no_secret(learner: Any) -> None:
    token = Token.objects.create(user=learner)

    assert token.key not in identity_of(token)
    assert token.key not in repr(bearer_credential("authtoken", identity_of(token)))
