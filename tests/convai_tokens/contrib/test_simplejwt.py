"""Families of JWTs as credentials; what a login and a logout do is in ``tests/stacks``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken

from convai_tokens.contrib import simplejwt
from convai_tokens.logins.bearer_stacks import bearer_credential
from convai_tokens.logins.credentials import credential_of_login
from convai_tokens.logins.notes import LoginNote, note_login
from convai_tokens.models import EndReason, LearnerSession
from tests.builders import login_response


def first_of(user: Any) -> RefreshToken:
    token: Any = simplejwt.with_family(RefreshToken.for_user(user))
    return token  # type: ignore[no-any-return]


@pytest.mark.parametrize("what", ["refresh", "access_token"])
def test_a_login_is_known_by_either_token(learner: Any, what: str) -> None:
    refresh = first_of(learner)
    handed_out = refresh if what == "refresh" else refresh.access_token

    login = login_response({what: str(handed_out)})
    note_login(login.request, LoginNote(learner))

    assert [*simplejwt.handed_out(login)] == [(learner.pk, refresh["jti"])]


def test_without_a_signal_only_the_first_refresh_token_of_a_family_is_a_login(learner: Any) -> None:
    refresh = first_of(learner)
    first = login_response({"refresh": str(refresh)})
    assert [*simplejwt.handed_out(first)] == [(learner.pk, refresh["jti"])]
    assert [*simplejwt.handed_out(login_response({"access": str(refresh.access_token)}))] == []

    refresh.set_jti()
    assert [*simplejwt.handed_out(login_response({"refresh": str(refresh)}))] == []


def test_a_claim_may_name_the_user_by_another_field_than_the_key(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_settings, "USER_ID_FIELD", "username")
    refresh = first_of(learner)
    login = login_response({"refresh": str(refresh)})

    assert refresh["user_id"] == learner.username
    assert [*simplejwt.handed_out(login)] == [(learner.pk, refresh["jti"])]


@pytest.mark.parametrize("text", ["", "a text", "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"])
def test_what_this_site_has_not_signed_is_none_of_its_logins(text: str) -> None:
    login = login_response({"refresh": text})

    assert [*simplejwt.handed_out(login)] == []


def test_another_learners_tokens_are_none_of_this_learners(learner: Any, make_user: Any) -> None:
    login = login_response({"refresh": str(first_of(make_user("second-learner")))})

    assert credential_of_login(learner, login) is None


def test_tokens_without_a_family_are_not_known(learner: Any) -> None:
    plain = RefreshToken.for_user(learner)
    login = login_response({"refresh": str(plain), "access": str(plain.access_token)})

    assert [*simplejwt.handed_out(login)] == []


def test_a_request_is_known_by_its_tokens_family(learner: Any) -> None:
    refresh = first_of(learner)
    request: Any = SimpleNamespace(auth=refresh.access_token)

    assert simplejwt.from_request(request) == refresh["jti"]
    assert simplejwt.from_request(SimpleNamespace(auth="a key")) is None  # type: ignore[arg-type]


def test_a_blacklisted_first_token_is_not_alive(learner: Any) -> None:
    refresh = first_of(learner)
    assert simplejwt.is_alive(refresh["jti"])

    refresh.blacklist()
    assert not simplejwt.is_alive(refresh["jti"])


@pytest.mark.parametrize("rotations", [0, 2])
def test_the_end_of_any_of_its_tokens_ends_the_family(learner: Any, rotations: int) -> None:
    refresh = first_of(learner)
    credential = bearer_credential("simplejwt", refresh["jti"])
    session = LearnerSession.objects.create(
        id=credential.session_ids[0],
        user=learner,
        stack="simplejwt",
        credential_digest=credential.digest,
    )
    for _ in range(rotations):
        refresh.set_jti()

    refresh.blacklist()

    session.refresh_from_db()
    assert session.end_reason == EndReason.CREDENTIAL_DELETED
