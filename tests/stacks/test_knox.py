"""django-rest-knox: login, logout, logout-all, expiry, deleted rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import time_machine
from django.db.models.signals import pre_delete
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from convai_tokens.lifecycle import opening
from convai_tokens.lifecycle.opening import Opener
from convai_tokens.logins.bearer_stacks import bearer_credential
from convai_tokens.models import EndReason, LearnerSession


def reasons() -> list[str]:
    return list(LearnerSession.objects.order_by("started_at").values_list("end_reason", flat=True))


def test_a_login_that_made_no_django_session_does_not_vary_by_its_cookie(
    convai: Any, learner: Any, log_in: Any
) -> None:
    """Reading the session, even to find none in it, would count as access to it."""
    response = log_in("/login/knox/")

    assert response.json()["convai"]["apiAuthToken"]
    assert "Cookie" not in response.get("Vary", "")


def test_login_token_extend_logout(
    convai: Any, learner: Any, client: Client, log_in: Any, bearer: Any
) -> None:
    login = log_in("/login/knox/", device="Tablet 7")
    headers = bearer(login)
    fresh = client.post("/convai/token/", headers=headers)
    extended = client.post("/convai/token/extend/", headers=headers)

    logout = client.post("/logout/knox/", headers=headers)

    assert fresh.json()["apiAuthToken"] != login.json()["convai"]["apiAuthToken"]
    assert extended.json()["apiAuthToken"] == fresh.json()["apiAuthToken"]
    assert logout.status_code == 204
    session = LearnerSession.objects.get()
    assert (session.stack, session.device) == ("knox", "Tablet 7")
    assert session.end_reason == EndReason.LOGOUT
    assert convai.live() == []
    assert client.post("/convai/token/", headers=headers).status_code == 401


def test_two_logins_of_one_learner_are_two_sessions_and_end_apart(
    convai: Any, learner: Any, client: Client, log_in: Any, bearer: Any
) -> None:
    first, second = log_in("/login/knox/"), log_in("/login/knox/")

    client.post("/logout/knox/", headers=bearer(first))

    assert reasons() == [EndReason.LOGOUT, ""]
    assert convai.live() == [second.json()["convai"]["apiAuthToken"]]


def test_logout_all_ends_all_of_the_learners_sessions_and_nobody_elses(
    convai: Any, learner: Any, make_user: Any, client: Client, log_in: Any, bearer: Any
) -> None:
    make_user("second-learner")
    first, _ = log_in("/login/knox/"), log_in("/login/knox/")
    other = log_in("/login/knox/", username="second-learner")

    client.post("/logout/knox/all/", headers=bearer(first))

    assert reasons() == [EndReason.LOGOUT_ALL, EndReason.LOGOUT_ALL, ""]
    assert convai.live() == [other.json()["convai"]["apiAuthToken"]]


def test_an_expired_credential_ends_its_session_when_knox_sees_it(
    convai: Any, learner: Any, client: Client, log_in: Any, bearer: Any
) -> None:
    login = log_in("/login/knox/")

    with time_machine.travel(timezone.now() + timedelta(hours=11)):
        refused = client.post("/convai/token/", headers=bearer(login))

    assert refused.status_code == 401
    assert reasons() == [EndReason.CREDENTIAL_DELETED]
    assert convai.live() == []


def test_a_row_deleted_by_staff_ends_its_session(convai: Any, learner: Any, log_in: Any) -> None:
    log_in("/login/knox/")
    other = log_in("/login/knox/").json()["convai"]["apiAuthToken"]

    AuthToken.objects.order_by("created")[0].delete()

    assert reasons() == [EndReason.CREDENTIAL_DELETED, ""]
    assert convai.live() == [other]


def test_a_knox_logout_leaves_the_browsers_django_session_alone(
    convai: Any, learner: Any, client: Client, log_in: Any, bearer: Any
) -> None:
    in_browser = log_in("/login/json/").json()["convai"]["apiAuthToken"]
    by_bearer = log_in("/login/knox/")

    client.post("/logout/knox/", headers=bearer(by_bearer))

    assert dict(LearnerSession.objects.values_list("stack", "end_reason")) == {
        "session": "",
        "knox": EndReason.LOGOUT,
    }
    assert convai.live() == [in_browser]
    assert client.post("/convai/token/").status_code == 200


def test_a_knox_login_beside_another_learners_browser_session_ends_nothing(
    convai: Any, learner: Any, make_user: Any, client: Client, log_in: Any
) -> None:
    make_user("second-learner")
    log_in("/login/json/")

    login = log_in("/login/knox/", username="second-learner")

    assert login.json()["convai"]["apiAuthToken"]
    assert len(convai.live()) == 2
    assert set(reasons()) == {""}
    assert client.post("/convai/token/").json()["endUserId"] == str(learner.pk)


def test_a_knox_login_without_a_session_plants_no_cookie(
    convai: Any, learner: Any, log_in: Any
) -> None:
    assert not log_in("/login/knox/").cookies


def test_a_password_change_leaves_bearer_credentials_alone(
    convai: Any, learner: Any, client: Client, log_in: Any, bearer: Any
) -> None:
    """Django's bearer credentials outlive the password, so their learner sessions do."""
    login = log_in("/login/knox/")

    learner.set_password("another-password")
    learner.save()

    assert reasons() == [""]
    assert client.post("/convai/token/", headers=bearer(login)).status_code == 200


def test_a_session_that_opens_while_its_credential_is_being_deleted_ends_with_it(
    convai: Any, learner: Any, client: Client
) -> None:
    """The credential's first token request races its logout."""
    _, token = AuthToken.objects.create(learner)

    def open_it(instance: Any, **kwargs: Any) -> None:
        session = opening.open_session(Opener(bearer_credential("knox", instance.digest), learner))
        assert session.ended_at is None

    pre_delete.connect(open_it, sender=AuthToken)
    try:
        answer = client.post("/logout/knox/", headers={"Authorization": f"Token {token}"})
    finally:
        pre_delete.disconnect(open_it, sender=AuthToken)

    assert answer.status_code == 204
    assert LearnerSession.objects.get().end_reason == EndReason.LOGOUT
