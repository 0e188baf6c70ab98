"""DRF's authtoken: its logins send no signal, and hand out the same row again."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.authtoken.models import Token

from convai_tokens.lifecycle.ending import end_session
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, TokenStatus

LOGINS = ["/login/authtoken/", "/login/authtoken/json/"]


def key_of(login: Any) -> dict[str, str]:
    """Return the header by which the client goes on."""
    body = login.json()
    return {"Authorization": f"Bearer {body.get('token') or body['auth_token']}"}


@pytest.mark.parametrize("path", LOGINS)
def test_a_login_gets_a_token_and_its_logout_revokes_it(
    convai: Any, learner: Any, client: Client, log_in: Any, path: str
) -> None:
    login = log_in(path)

    assert login.json()["convai"]["apiAuthToken"] in convai.live()
    assert login.json()["convai"]["endUserId"] == str(learner.pk)
    assert login["Cache-Control"] == "no-store, private"
    assert client.post("/convai/token/", headers=key_of(login)).status_code == 200
    assert LearnerSession.objects.get().stack == "authtoken"
    assert client.post("/logout/authtoken/", headers=key_of(login)).status_code == 204
    assert convai.live() == []
    assert LearnerSession.objects.get().end_reason == EndReason.LOGOUT


@pytest.mark.parametrize("path", LOGINS)
def test_a_login_with_a_wrong_password_gets_nothing(
    convai: Any, learner: Any, client: Client, path: str
) -> None:
    wrong = {"username": "learner", "password": "wrong"}

    answer = client.post(path, wrong, content_type="application/json")

    assert answer.status_code == 400
    assert b"convai" not in answer.content
    assert convai.summary()["generated"] == 0


def test_a_second_login_goes_on_in_the_same_learner_session(
    convai: Any, learner: Any, log_in: Any
) -> None:
    first, second = log_in(LOGINS[0]), log_in(LOGINS[0])

    assert key_of(first) == key_of(second)
    assert LearnerSession.objects.count() == 1
    assert len(convai.live()) == 2


def test_what_staff_ended_is_ended_and_the_next_login_starts_another(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    login = log_in(LOGINS[0])
    first = LearnerSession.objects.get()
    end_session(first.pk, EndReason.STAFF)

    refused = client.post("/convai/token/", headers=key_of(login))
    assert refused.json()["error"]["code"] == "session_ended"
    again = log_in(LOGINS[0])

    assert again.json()["convai"]["apiAuthToken"] in convai.live()
    assert client.post("/convai/token/", headers=key_of(again)).status_code == 200
    first.refresh_from_db()
    assert first.end_reason == EndReason.STAFF
    assert LearnerSession.objects.open().count() == 1
    assert client.post("/logout/authtoken/", headers=key_of(again)).status_code == 204
    assert convai.live() == []


def test_a_row_that_goes_by_any_hand_ends_the_session(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    login = log_in(LOGINS[0])

    Token.objects.all().delete()

    assert convai.live() == []
    assert LearnerSession.objects.get().end_reason == EndReason.CREDENTIAL_DELETED
    assert client.post("/convai/token/", headers=key_of(login)).status_code == 401
    assert log_in(LOGINS[0]).json()["convai"]["apiAuthToken"] in convai.live()


@pytest.mark.parametrize("by", ["cookie", "bearer"])
def test_a_page_that_shows_learners_a_key_of_theirs_is_no_login(
    convai: Any, learner: Any, client: Client, by: str
) -> None:
    headers = {}
    if by == "cookie":
        client.force_login(learner)
    else:
        headers = {"Authorization": f"Bearer {Token.objects.create(user=learner).key}"}

    answer = client.post("/own-key/", headers=headers)

    assert answer.status_code == 200
    assert b"convai" not in answer.content
    assert convai.summary()["generated"] == 0


def test_staff_who_make_a_key_for_a_learner_get_no_token_of_the_learners(
    convai: Any, learner: Any, make_user: Any, client: Client
) -> None:
    client.force_login(make_user("teacher", is_staff=True))

    answer = client.post("/keys/", {"username": "learner"})

    assert answer.json()["token"] == Token.objects.get(user=learner).key
    assert b"convai" not in answer.content
    assert convai.summary()["generated"] == 0


def test_each_learner_gets_a_session_of_their_own(
    convai: Any, learner: Any, make_user: Any, log_in: Any
) -> None:
    make_user("second-learner")

    log_in(LOGINS[0])
    log_in(LOGINS[0], "second-learner")

    assert set(LearnerSession.objects.values_list("username", flat=True)) == {
        "learner",
        "second-learner",
    }
    assert ConvaiToken.objects.filter(status=TokenStatus.ACTIVE).count() == 2


def test_a_login_while_convai_is_down_tells_why_there_is_no_token(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    convai.set(faults={"503": 1})
    login = log_in(LOGINS[0])
    convai.set(faults={})

    assert login.json()["convai"]["error"]["code"] == "convai_unavailable"
    assert client.post("/convai/token/", headers=key_of(login)).status_code == 200
