"""Promise 3: a token reaches only the learner it was generated for, and no cache has it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client

from convai_tokens.models import ConvaiToken, LearnerSession


@pytest.mark.parametrize("path", ["/login/json/", "/login/drf/", "/login/knox/"])
def test_promise_3_no_cache_may_keep_a_login_response(
    convai: Any, learner: Any, log_in: Any, path: str
) -> None:
    response = log_in(path)

    assert "no-store" in response["Cache-Control"]
    assert "private" in response["Cache-Control"]


def test_promise_3_no_cache_may_keep_an_answer_of_the_token_endpoint(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    refused = client.post("/convai/token/")
    log_in()
    answers = [
        refused,
        client.post("/convai/token/"),
        client.post("/convai/token/extend/"),
        client.get("/convai/token/"),
        client.delete("/convai/token/"),
    ]

    assert [answer.status_code for answer in answers] == [401, 200, 200, 405, 204]
    for answer in answers:
        assert "no-store" in answer["Cache-Control"]


def test_promise_3_each_learner_gets_a_token_of_their_own(
    convai: Any, learner: Any, make_user: Any, log_in: Any
) -> None:
    make_user("second-learner")

    first = log_in(client=Client()).json()["convai"]
    second = log_in(username="second-learner", client=Client()).json()["convai"]

    assert first["apiAuthToken"] != second["apiAuthToken"]
    assert first["endUserId"] != second["endUserId"]
    owners = {token.session.username for token in ConvaiToken.objects.select_related("session")}
    assert owners == {"learner", "second-learner"}


def test_promise_3_a_session_whose_user_was_swapped_does_not_reach_the_old_learners_tokens(
    convai: Any, learner: Any, make_user: Any, client: Client, log_in: Any
) -> None:
    other = make_user("second-learner")
    first = log_in().json()["convai"]["apiAuthToken"]
    # What an impersonation tool does that doesn't go through login().
    session = client.session
    session[SESSION_KEY] = str(other.pk)
    session["_auth_user_hash"] = other.get_session_auth_hash()
    session.save()

    extended = client.post("/convai/token/extend/")
    answer = client.post("/convai/token/")

    assert extended.status_code == 409
    assert answer.json()["endUserId"] == str(other.pk)
    assert answer.json()["apiAuthToken"] != first
    assert LearnerSession.objects.get(user=other).pk != LearnerSession.objects.get(user=learner).pk


def test_promise_3_a_login_that_logs_out_again_gets_nothing(
    convai: Any, learner: Any, log_in: Any
) -> None:
    response = log_in("/login/and-out/")

    assert response.json() == {"bye": True}
    assert convai.summary()["generated"] == 0
