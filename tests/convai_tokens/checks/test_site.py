"""The checks of what the site puts around this app: middleware, URLs, cache, database."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from convai_tokens.checks import site
from convai_tokens.checks.site import MIDDLEWARE, OUTSIDE, check_urls
from convai_tokens.views import TokenView
from tests.convai_tokens.checks.messages import LONG_KEYS, SHARED_CACHE, ConvaiSettings, found, ids

pytestmark = pytest.mark.usefixtures("no_network_and_no_database")


# E004, E005


def test_e004_a_missing_middleware_is_told(settings: Any) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != MIDDLEWARE]

    assert ids() == ["E004"]


def test_e004_a_middleware_that_is_there_is_accepted(settings: Any) -> None:
    settings.MIDDLEWARE = [*OUTSIDE, MIDDLEWARE]

    assert ids() == []


@pytest.mark.parametrize("name", OUTSIDE)
def test_e005_a_middleware_that_has_to_be_outside_is_told_when_it_is_not(
    name: str, settings: Any
) -> None:
    others = [each for each in settings.MIDDLEWARE if each != name]
    settings.MIDDLEWARE = [*others, name]

    (message,) = found()

    assert message.id == "convai_tokens.E005"
    assert repr(name) in message.msg


def test_e005_each_of_them_is_told(settings: Any) -> None:
    settings.MIDDLEWARE = [MIDDLEWARE, *OUTSIDE]

    assert ids() == ["E005"] * len(OUTSIDE)


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([], id="none of them"),
        pytest.param(["django.middleware.common.CommonMiddleware"], id="another one inside"),
    ],
)
def test_e005_what_may_be_inside_or_missing_is_accepted(others: list[str], settings: Any) -> None:
    settings.MIDDLEWARE = [MIDDLEWARE, *others]

    assert ids() == []


# W014: URLs


def test_w014_no_address_of_the_token_endpoint(settings: Any) -> None:
    settings.ROOT_URLCONF = "lms_site.api.urls"

    (message,) = found()

    assert message.id == "convai_tokens.W014"


class OwnTokenView(TokenView):
    """The project's own, as it may have one."""


class Urls:
    """A URLconf with the app's addresses in some other place than the usual one."""

    def __init__(self, *urlpatterns: Any) -> None:
        self.urlpatterns = urlpatterns


@pytest.mark.parametrize(
    "urls",
    [
        Urls(path("<slug:tenant>/", include([path("x/", include("convai_tokens.urls"))]))),
        Urls(path("x/", include(("convai_tokens.urls", "other"), namespace="mine"))),
        Urls(path("x/", OwnTokenView.as_view())),
        Urls(re_path("x/", csrf_exempt(TokenView.as_view()))),
    ],
)
def test_w014_the_token_endpoint_may_be_anywhere(urls: Urls, settings: Any) -> None:
    settings.ROOT_URLCONF = urls

    assert ids() == []


@pytest.mark.parametrize("odd", ["a text", ("a", "tuple"), object()])
def test_w014_leaves_what_is_no_pattern_to_djangos_own_checks(odd: Any, settings: Any) -> None:
    settings.ROOT_URLCONF = Urls(odd)

    assert [message.id for message in check_urls(None)] == ["convai_tokens.W014"]


def test_w014_a_process_without_urls_needs_no_endpoint(settings: Any) -> None:
    del settings.ROOT_URLCONF

    assert check_urls(None) == []


@pytest.mark.parametrize(
    "backend",
    [
        "django.core.cache.backends.locmem.LocMemCache",
        "django.core.cache.backends.dummy.DummyCache",
    ],
)
def test_w011_a_cache_of_one_process_is_told_for_deployment_only(
    backend: str, settings: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(ENCRYPTION_KEYS=LONG_KEYS)
    settings.CACHES = {"default": {"BACKEND": backend}}

    assert ids(deploy=True) == ["W011"]
    assert ids() == []


def test_own_keys_and_a_shared_cache_are_accepted_for_deployment(
    settings: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(ENCRYPTION_KEYS=LONG_KEYS)
    settings.CACHES = SHARED_CACHE

    assert ids(deploy=True) == []


# E022, W020


def test_e022_a_middleware_that_is_listed_twice_is_told(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, site.MIDDLEWARE]

    assert ids() == ["E022"]


class OwnStore:
    """As packages have it that replace Django's sessions."""


SessionStore = OwnStore


def test_w020_an_engine_that_does_not_tell_its_model_is_told(settings: Any) -> None:
    settings.SESSION_ENGINE = __name__

    assert ids() == ["W020"]


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "file", "signed_cookies"])
def test_w020_djangos_engines_are_fine(engine: str, settings: Any) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"

    assert ids() == []


def test_w020_a_site_without_sessions_needs_no_engine(settings: Any) -> None:
    settings.SESSION_ENGINE = __name__
    settings.MIDDLEWARE = [it for it in settings.MIDDLEWARE if "SessionMiddleware" not in it]

    assert "W020" not in ids()
