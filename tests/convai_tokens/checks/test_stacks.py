"""Checks of the login stacks."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from rest_framework.authentication import BaseAuthentication, SessionAuthentication

from convai_tokens.checks import stacks
from convai_tokens.checks.stacks import (
    SIMPLE_JWT_DEFAULT,
    check_authentication_classes,
    check_stacks,
)
from convai_tokens.contrib import allauth_headless, oauth_toolkit

DRF = "rest_framework.authentication"
KNOX = "knox.auth.TokenAuthentication"
JWT = "rest_framework_simplejwt.authentication.JWTAuthentication"
HERE = "tests.convai_tokens.checks.test_stacks"


class OwnSession(SessionAuthentication):
    """As sites have it that exempt something from CSRF."""


class Own(BaseAuthentication):
    """Of a stack that is registered nowhere."""


def authenticate_by(settings: Any, *classes: object) -> None:
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": classes}


@pytest.mark.parametrize(
    "classes",
    [
        [f"{DRF}.SessionAuthentication", KNOX],
        [f"{HERE}.OwnSession", KNOX],
        [f"{DRF}.BasicAuthentication", f"{DRF}.RemoteUserAuthentication", KNOX],
        [f"{DRF}.TokenAuthentication", KNOX],
        [OwnSession],
        ["no.such.Class"],
        [],
    ],
    ids=repr,
)
def test_classes_that_a_stack_serves_or_that_hand_out_nothing_are_fine(
    settings: Any, classes: list[object]
) -> None:
    authenticate_by(settings, *classes)

    assert check_authentication_classes(None) == []


@pytest.mark.parametrize("own", [Own, f"{HERE}.Own"], ids=repr)
def test_a_class_that_no_stack_serves_is_named(settings: Any, own: object) -> None:
    authenticate_by(settings, KNOX, own)

    (warning,) = check_authentication_classes(None)

    assert warning.id == "convai_tokens.W016"
    assert (own if isinstance(own, str) else f"{HERE}.Own") in warning.msg


def test_a_site_that_says_nothing_has_what_drf_has_by_default(settings: Any) -> None:
    del settings.REST_FRAMEWORK

    assert check_authentication_classes(None) == []
    assert {warning.id for warning in check_stacks(None)} == {"convai_tokens.W017"}


def test_a_stack_whose_learners_the_endpoint_does_not_know_is_named(settings: Any) -> None:
    authenticate_by(settings, f"{DRF}.SessionAuthentication")

    warnings = check_stacks(None)

    classes = {
        "knox": KNOX,
        "authtoken": f"{DRF}.TokenAuthentication",
        "simplejwt": JWT,
        "oauth_toolkit": oauth_toolkit.CLASSES[0],
        "allauth": allauth_headless.CLASSES[0],
    }
    told = {warning.msg.split("'")[1]: str(warning.hint) for warning in warnings}
    assert {*told} == {*classes}
    assert all(path in told[name] for name, path in classes.items())
    authenticate_by(settings, *classes.values())
    assert check_stacks(None) == []


# W027


def found() -> list[str]:
    return [str(it.id).rpartition(".")[2] for it in stacks.check_families(None)]


def test_w027_a_site_whose_jwts_name_no_family_is_told(settings: Any) -> None:
    named = settings.SIMPLE_JWT
    settings.SIMPLE_JWT = {**named, "TOKEN_OBTAIN_SERIALIZER": SIMPLE_JWT_DEFAULT}
    assert found() == ["W027"]

    settings.SIMPLE_JWT = {}
    assert found() == ["W027"]

    settings.SIMPLE_JWT = named
    assert found() == []


def test_w027_looks_at_dj_rest_auths_own_setting_where_that_counts(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apps, "is_installed", lambda app: True)
    named = settings.SIMPLE_JWT["TOKEN_OBTAIN_SERIALIZER"]
    settings.SIMPLE_JWT = {}
    settings.REST_AUTH = {"USE_JWT": True, "JWT_TOKEN_CLAIMS_SERIALIZER": named}
    assert found() == []

    settings.REST_AUTH = {"USE_JWT": True}
    (warning,) = stacks.check_families(None)
    assert "REST_AUTH['JWT_TOKEN_CLAIMS_SERIALIZER']" in warning.msg


def test_w027_is_for_sites_with_simplejwt_alone(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SIMPLE_JWT = {}
    monkeypatch.setattr(apps, "is_installed", lambda app: False)

    assert stacks.check_families(None) == []
