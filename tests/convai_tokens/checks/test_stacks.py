"""Checks of the login stacks."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.authentication import BaseAuthentication, SessionAuthentication

from convai_tokens.checks.stacks import check_authentication_classes, check_stacks

DRF = "rest_framework.authentication"
KNOX = "knox.auth.TokenAuthentication"
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

    for warning, name, path in zip(
        warnings, ["knox", "authtoken"], [KNOX, f"{DRF}.TokenAuthentication"], strict=True
    ):
        assert repr(name) in warning.msg
        assert path in str(warning.hint)
    authenticate_by(settings, KNOX, f"{DRF}.TokenAuthentication")
    assert check_stacks(None) == []
