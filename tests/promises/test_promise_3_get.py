"""Promise 3: no image, prefetch or foreign page gets a token out of a learner's cookie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from convai_tokens.models import ConvaiToken

THIS_SITE = "http://testserver/simulation/"

FOREIGN = {
    "another site's page": {"Sec-Fetch-Site": "cross-site"},
    "another site's image": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"},
    "a page of a sibling host": {"Sec-Fetch-Site": "same-site"},
    "a foreign link, old browser": {"Referer": "https://evil.example.org/"},
    "a host that begins alike": {"Referer": "http://testserver.evil.example.org/"},
    "a name before the host": {"Referer": "http://testserver@evil.example.org/"},
    "another port": {"Referer": "http://testserver:81/"},
    "another scheme": {"Referer": "https://testserver/"},
    "no word on where from": {},
    "an address that was typed": {"Sec-Fetch-Site": "none"},
    "a header of nobody's": {"Sec-Fetch-Site": "who knows", "Referer": THIS_SITE},
    "a broken Referer": {"Referer": "http://["},
}
OWN = {
    "this origin": {"Sec-Fetch-Site": "same-origin"},
    "an old browser": {"Referer": THIS_SITE},
    "a bookmark of a page": {"Sec-Fetch-Site": "none", "Referer": THIS_SITE},
}
PREFETCHES = {
    "Chromium": {"Sec-Purpose": "prefetch"},
    "Chromium's prerender": {"Sec-Purpose": "prefetch;prerender"},
    "older ones": {"Purpose": "prefetch"},
    "Firefox": {"X-Moz": "prefetch"},
}


@pytest.fixture
def by_cookie(
    convai: Any, convai_settings: Callable[..., None], learner: Any, client: Client
) -> Client:
    convai_settings(ALLOW_GET=True)
    client.force_login(learner)
    return client


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_promise_3_a_get_that_others_may_have_caused_gets_no_token(
    convai: Any, by_cookie: Client, headers: dict[str, str]
) -> None:
    response = by_cookie.get("/convai/token/", headers=headers)

    assert response.status_code == 403
    assert response.json()["error"]["code"] == "cross_site"
    assert ConvaiToken.objects.count() == convai.summary()["generated"] == 0


@pytest.mark.parametrize("headers", OWN.values(), ids=OWN)
def test_promise_3_a_get_of_the_sites_own_page_gets_a_token(
    convai: Any, by_cookie: Client, headers: dict[str, str]
) -> None:
    response = by_cookie.get("/convai/token/", headers=headers)

    assert response.json()["apiAuthToken"] in convai.live()


@pytest.mark.parametrize("purpose", PREFETCHES.values(), ids=PREFETCHES)
@pytest.mark.parametrize("by", ["cookie", "bearer"])
def test_promise_3_a_prefetch_gets_no_token(
    convai: Any, by_cookie: Client, log_in: Any, bearer: Any, by: str, purpose: dict[str, str]
) -> None:
    client, own = by_cookie, {"Sec-Fetch-Site": "same-origin"}
    if by == "bearer":
        client = Client()
        own = bearer(log_in("/login/knox/", client=client))
    before = convai.summary()["generated"]

    response = client.get("/convai/token/", headers={**own, **purpose})

    assert response.status_code == 403
    assert convai.summary()["generated"] == before


def test_promise_3_a_bearer_gets_a_token_by_get_wherever_it_comes_from(
    convai: Any, convai_settings: Callable[..., None], learner: Any, log_in: Any, bearer: Any
) -> None:
    convai_settings(ALLOW_GET=True)
    headers = bearer(log_in("/login/knox/"))

    response = Client().get("/convai/token/", headers={**headers, "Sec-Fetch-Site": "cross-site"})

    assert response.json()["apiAuthToken"] in convai.live()


@pytest.mark.parametrize("accept", ["text/html", "text/html,*/*;q=0.1", "image/avif", "", "x"])
def test_promise_3_the_answer_is_json_and_no_browser_guesses(
    convai: Any, learner: Any, client: Client, accept: str
) -> None:
    client.force_login(learner)

    answers = [client.post(path, headers={"Accept": accept}) for path in ("/convai/token/",)]
    answers.append(client.get("/convai/token/", headers={"Accept": accept}))

    assert [answer.status_code for answer in answers] == [200, 405]
    assert {answer["Content-Type"] for answer in answers} == {"application/json"}
    assert {answer["X-Content-Type-Options"] for answer in answers} == {"nosniff"}
    assert answers[1].json()["error"]["message"] == "GET is not allowed here; use POST."


@pytest.mark.parametrize("raw", ["Token \xff\xfe", "Token ÿÿÿÿ", "Token " + "\x80" * 64])
def test_promise_3_a_bearer_that_is_no_text_is_a_401(db: None, client: Client, raw: str) -> None:
    response = client.post("/convai/token/", headers={"Authorization": raw})

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "authentication_failed"


@pytest.mark.parametrize("path", ["/convai/token", "/convai/token/"])
def test_promise_3_the_final_slash_makes_no_difference(
    convai: Any, learner: Any, client: Client, path: str
) -> None:
    client.force_login(learner)

    generated = client.post(path)
    extended = client.post(path.rstrip("/") + "/extend" + ("/" if path.endswith("/") else ""))
    revoked = client.delete(path)

    statuses = [answer.status_code for answer in (generated, extended, revoked)]
    assert statuses == [200, 200, 204]
