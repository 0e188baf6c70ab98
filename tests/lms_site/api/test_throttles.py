"""How many logins a minute are let through, by name and by address."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from convai_sandbox.process import Sandbox
from lms_site.api.throttles import AddressThrottle, LoginThrottle, NameThrottle
from lms_site.demo.processes import Site
from lms_site.demo.throwaway import ThrowAway
from tests.lms_site.lms import LMS, browser, error_code, send

LIMIT = 3


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Three logins a minute, and a clock that stands 13 seconds after a full one."""
    now = [60_013.0]
    monkeypatch.setattr(LoginThrottle, "rate", f"{LIMIT}/min", raising=False)
    monkeypatch.setattr(LoginThrottle, "timer", lambda self: now[0])
    return now


def login(body: Any = None, **headers: str) -> Request:
    made = APIRequestFactory().post("/", body, format="json", **headers)
    return APIView().initialize_request(made)


def passes(throttle: type[LoginThrottle], request: Request) -> bool:
    return throttle().allow_request(request, APIView())


def named(name: object) -> bool:
    return passes(NameThrottle, login({"username": name}))


def test_a_name_has_its_logins_a_minute_and_then_waits_for_the_next(clock: list[float]) -> None:
    assert [named("learner") for _ in range(LIMIT + 2)] == [True] * LIMIT + [False] * 2
    assert named("another")
    assert NameThrottle().wait() == 47

    clock[0] += 46.9
    assert not named("learner")
    clock[0] += 0.1
    assert named("learner")


@pytest.mark.parametrize(
    "name", ["LEARNER", " Learner\t", "lèarnér", "learn\u200ber", "\uff4cearner", "learner\x00"]
)
def test_a_name_that_a_database_may_take_for_the_same_counts_as_the_same(
    clock: list[float], name: str
) -> None:
    assert all(named("learner") for _ in range(LIMIT))

    assert not named(name)


def test_a_number_is_a_name_as_the_login_reads_it(clock: list[float]) -> None:
    assert all(named("4711") for _ in range(LIMIT))

    assert not named(4711)


@pytest.mark.parametrize("body", [None, [], "learner", {}, {"username": ["a"]}, {"username": None}])
def test_a_login_without_a_name_counts_for_no_name(clock: list[float], body: Any) -> None:
    assert all(passes(NameThrottle, login(body)) for _ in range(LIMIT + 1))


def test_half_a_character_in_a_name_is_counted_and_breaks_nothing(clock: list[float]) -> None:
    body = b'{"username": "\\ud800"}'
    made = APIRequestFactory().post("/", body, content_type="application/json")
    request = APIView().initialize_request(made)

    assert [passes(NameThrottle, request) for _ in range(LIMIT + 1)] == [True] * LIMIT + [False]


def test_logins_at_the_same_moment_are_all_counted(clock: list[float]) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(named, ["learner"] * 64))

    assert answers.count(True) == LIMIT


def test_the_cache_holds_no_name(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []
    monkeypatch.setattr(cache, "add", lambda key, *rest: keys.append(key))

    named("learner")

    assert len(keys) == 1
    assert "learner" not in keys[0]


def from_address(address: str, forwarded: str = "") -> bool:
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    return passes(AddressThrottle, login({}, REMOTE_ADDR=address, **headers))


def test_an_address_has_its_logins_whatever_the_names(clock: list[float]) -> None:
    assert [from_address("10.0.0.1") for _ in range(LIMIT + 1)] == [True] * LIMIT + [False]
    assert from_address("10.0.0.2")


def test_a_client_cannot_say_that_it_is_at_another_address(
    clock: list[float], settings: Any
) -> None:
    settings.REST_FRAMEWORK = {"NUM_PROXIES": 0}

    answers = [from_address("10.0.0.1", f"1.2.3.{number}") for number in range(LIMIT + 1)]

    assert answers == [True] * LIMIT + [False]


def test_behind_a_proxy_the_address_is_what_the_proxy_saw(
    clock: list[float], settings: Any
) -> None:
    settings.REST_FRAMEWORK = {"NUM_PROXIES": 1}

    answers = [from_address("10.0.0.1", f"1.2.3.{n}, 9.9.9.9") for n in range(LIMIT + 1)]

    assert answers == [True] * LIMIT + [False]
    assert from_address("10.0.0.1", "8.8.8.8")


def test_without_its_cache_the_school_still_logs_in(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any) -> None:
        raise ConnectionError("redis://:canary@127.0.0.1")

    monkeypatch.setattr(cache, "add", fail)

    assert all(named("learner") for _ in range(LIMIT + 1))
    assert "Logins aren't throttled, as the cache fails: ConnectionError" in caplog.text
    assert "canary" not in caplog.text


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ThrowAway, Sandbox]]:
    with Sandbox() as sandbox:
        yield ThrowAway.make(tmp_path_factory.mktemp("throttled"), sandbox.url), sandbox


@pytest.fixture
def site(made: tuple[ThrowAway, Sandbox], tmp_path: Path) -> Iterator[LMS]:
    """The site with low limits, in two processes that share a cache of this test's own."""
    throw_away, sandbox = made
    settings = {
        "DJANGO_LOGINS_PER_NAME": str(LIMIT),
        "DJANGO_LOGINS_PER_ADDRESS": str(2 * LIMIT),
        "DJANGO_CACHE_URL": f"filecache://{tmp_path}/cache",
    }
    with Site(throw_away.environment | settings, tmp_path / "log") as server:
        yield LMS(server.url, throw_away, sandbox)


def post(site: LMS, stack: str, body: dict[str, Any]) -> requests.Response:
    if stack == "auth":
        return site.post("/api/auth/login/", json=body)
    return send(site, browser(site), "/api/session/login/", json=body)


def until_refused(site: LMS, stack: str, limit: int, *names: str) -> requests.Response:
    """Log in with a wrong password until it is one time too many; a minute may end meanwhile."""
    for number in range(2 * limit + 1):
        body = {"username": names[number % len(names)], "password": "wrong"}
        response = post(site, stack, body)
        if response.status_code == 429:
            assert number >= limit
            return response
        assert response.status_code == 401
    raise AssertionError("It was never refused.")


@pytest.mark.parametrize("stack", ["auth", "session"])
@pytest.mark.parametrize("names", [("learner", "LEARNER"), ("nobody", "Nobody")])
def test_one_login_too_many_gets_a_429_whether_there_is_such_a_user_or_not(
    site: LMS, stack: str, names: tuple[str, str]
) -> None:
    response = until_refused(site, stack, LIMIT, *names)

    assert error_code(response) == "throttled"
    assert 1 <= int(response.headers["Retry-After"]) <= 60


def test_one_password_for_all_users_is_refused_by_the_address(site: LMS) -> None:
    names = [f"user-{number}" for number in range(99)]

    response = until_refused(site, "auth", 2 * LIMIT, *names)

    assert error_code(response) == "throttled"
