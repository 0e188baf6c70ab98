"""oauth-toolkit's grants as credentials; what a login and a logout do is in ``tests/stacks``."""

from __future__ import annotations

import uuid
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, RefreshToken, clear_expired

from convai_tokens.contrib import oauth_toolkit
from convai_tokens.lifecycle.ending import end_session
from convai_tokens.logins.bearer_stacks import bearer_credential
from convai_tokens.logins.credentials import credential_of_login
from convai_tokens.logins.notes import current_request, noted_login
from convai_tokens.models import EndReason, LearnerSession
from tests.builders import login_response, make_session

Grant = tuple[AccessToken, RefreshToken]


@pytest.fixture
def application(db: None) -> Application:
    application: Application = Application.objects.create(
        client_type="public", authorization_grant_type="password"
    )
    return application


@pytest.fixture
def grant(application: Application, learner: Any) -> Grant:
    """A grant with its refresh token, and its learner session."""
    access = AccessToken.objects.create(
        user=learner,
        token="an-access-token",
        application=application,
        expires=timezone.now() + timedelta(hours=1),
    )
    refresh = RefreshToken.objects.create(
        user=learner,
        token="a-refresh-token",
        application=application,
        access_token=access,
        token_family=uuid.uuid4(),
    )
    credential = bearer_credential("oauth_toolkit", oauth_toolkit.identity_of(access))
    make_session(
        learner,
        pk=credential.session_ids[0],
        stack="oauth_toolkit",
        credential_digest=credential.digest,
    )
    return access, refresh


def test_both_tokens_of_a_grant_have_one_identity(grant: Grant, learner: Any) -> None:
    identity = f"family:{grant[1].token_family}"
    by_it: Any = SimpleNamespace(auth=grant[0])
    by_another: Any = SimpleNamespace(auth="a text")
    login = login_response({"access_token": "an-access-token"})

    assert oauth_toolkit.identity_of(grant[0]) == identity
    assert oauth_toolkit.from_request(by_it) == identity
    assert oauth_toolkit.from_request(by_another) is None
    assert [*oauth_toolkit.handed_out(login)] == [(learner.pk, identity)]
    assert oauth_toolkit.is_alive(identity)
    assert [*oauth_toolkit.living([learner.pk])] == [identity]


def test_a_grant_without_a_family_or_a_refresh_token(grant: Grant, learner: Any) -> None:
    access, refresh = grant
    RefreshToken.objects.update(token_family=None)
    assert oauth_toolkit.identity_of(access) == f"refresh:{refresh.pk}"
    assert oauth_toolkit.is_alive(f"refresh:{refresh.pk}")

    RefreshToken.objects.all().delete()
    assert oauth_toolkit.identity_of(access) == f"access:{access.pk}"
    assert oauth_toolkit.is_alive(f"access:{access.pk}")
    assert [*oauth_toolkit.living([learner.pk])] == [f"access:{access.pk}"]


def test_another_learners_grant_is_none_of_this_learners(grant: Grant, make_user: Any) -> None:
    login = login_response({"access_token": "an-access-token"})

    assert credential_of_login(make_user("second"), login) is None
    assert [*oauth_toolkit.handed_out(login_response({}))] == []


@pytest.mark.parametrize("length", [60, timedelta(minutes=1)])
def test_a_grant_expires_with_its_refresh_token(
    grant: Grant, learner: Any, settings: Any, length: Any
) -> None:
    AccessToken.objects.update(expires=timezone.now() - timedelta(hours=1))
    assert len([*oauth_toolkit.living([learner.pk])]) == 1

    settings.OAUTH2_PROVIDER = {"REFRESH_TOKEN_EXPIRE_SECONDS": length}

    assert [*oauth_toolkit.living([learner.pk])] == []


@pytest.mark.parametrize("grant_type", ["password", "authorization_code", "refresh_token"])
def test_only_a_refresh_is_no_login(grant: Grant, grant_type: str) -> None:
    request = RequestFactory().post("/o/token/", {"grant_type": grant_type, "device": "kiosk"})

    oauth_toolkit.on_authorized(request=request, token=grant[0])

    note = noted_login(request)
    if grant_type == "refresh_token":
        assert note is None
    else:
        assert note is not None
        assert (note.user, note.device) == (grant[0].user, "kiosk")


def test_an_applications_own_grant_is_no_login(application: Application) -> None:
    token = AccessToken.objects.create(token="x", application=application, expires=timezone.now())
    request = RequestFactory().post("/o/token/", {"grant_type": "client_credentials"})

    oauth_toolkit.on_authorized(request=request, token=token)

    assert noted_login(request) is None


@pytest.mark.parametrize("how", ["refresh", "access", "admin", "expired"])
def test_what_ends_a_grant(grant: Grant, how: str, settings: Any) -> None:
    if how == "refresh":
        grant[1].revoke()
    elif how == "access":
        grant[0].revoke()
    elif how == "admin":
        RefreshToken.objects.all().delete()
    else:
        settings.OAUTH2_PROVIDER = {"REFRESH_TOKEN_EXPIRE_SECONDS": 60}
        AccessToken.objects.update(expires=timezone.now() - timedelta(hours=1))
        clear_expired()

    assert LearnerSession.objects.get().end_reason == EndReason.CREDENTIAL_DELETED


def test_a_rotation_ends_nothing_and_a_replayed_refresh_token_the_family(
    grant: Grant, learner: Any
) -> None:
    application = grant[1].application
    form = {
        "grant_type": "refresh_token",
        "client_id": application.client_id,
        "refresh_token": "a-refresh-token",
    }
    request = RequestFactory().post("/", form)
    token = current_request.set(request)
    try:
        grant[1].revoke()  # as a rotation does
        assert LearnerSession.objects.open().count() == 1
        successor = AccessToken.objects.create(
            user=learner,
            token="the-next",
            application=application,
            expires=timezone.now() + timedelta(hours=1),
        )
        RefreshToken.objects.create(
            user=learner,
            token="the-next-refresh-token",
            application=application,
            access_token=successor,
            token_family=grant[1].token_family,
        )
        AccessToken.objects.filter(pk=successor.pk).delete()  # as a family's end does
    finally:
        current_request.reset(token)
    assert LearnerSession.objects.get().end_reason == EndReason.LOGOUT


def test_a_rotated_refresh_token_is_cleared_away_and_ends_nothing(grant: Grant) -> None:
    RefreshToken.objects.update(revoked=timezone.now())

    RefreshToken.objects.all().delete()

    assert LearnerSession.objects.open().count() == 1
    assert end_session(LearnerSession.objects.get().pk, EndReason.API)


def test_a_body_that_was_read_in_another_way_is_no_refresh(grant: Grant) -> None:
    request = RequestFactory().post("/", {"token": "a-refresh-token"})
    request.read()
    token = current_request.set(request)
    try:
        grant[1].revoke()
    finally:
        current_request.reset(token)

    assert LearnerSession.objects.get().has_ended
