"""The login stacks that are registered, and what they are asked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from convai_tokens.logins import bearer_stacks
from convai_tokens.logins.bearer_stacks import (
    bearer_credential,
    is_reused,
    register_bearer_stack,
)
from tests.lms.convai_stack import CUSTOM


@pytest.fixture
def _stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test register stacks of its own."""
    monkeypatch.setattr(bearer_stacks, "_bearer_stacks", dict(bearer_stacks._bearer_stacks))


@pytest.mark.usefixtures("_stacks")
def test_a_stack_may_be_registered_again_and_another_may_not_have_its_name() -> None:
    stack = replace(CUSTOM, name="of-a-test")

    register_bearer_stack(stack)
    register_bearer_stack(replace(stack))

    assert bearer_credential("of-a-test", "a digest").stack == "of-a-test"
    for taken in (replace(stack, is_alive=lambda identity: False), replace(CUSTOM, name="session")):
        with pytest.raises(ImproperlyConfigured, match="registered already"):
            register_bearer_stack(taken)


def test_an_unknown_stack_is_told_with_those_that_are_known() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"'jwt' is registered; .* 'custom', 'knox'"):
        bearer_credential("jwt", "a digest")


@pytest.mark.usefixtures("_stacks")
def test_a_stack_that_tells_no_end_is_refused_where_it_is_registered() -> None:
    with pytest.raises(ImproperlyConfigured, match="give its BearerStack `living` or `is_alive`"):
        register_bearer_stack(replace(CUSTOM, name="endless", is_alive=None))


@pytest.mark.usefixtures("_stacks")
def test_a_stack_that_tells_only_what_lives_is_asked_by_that(learner: Any) -> None:
    def living(user_ids: Collection[Any]) -> list[str]:
        return ["one that lives"] if [*user_ids] == [learner.pk] else []

    stack = replace(CUSTOM, name="living", is_alive=None, living=living)

    assert stack.accepts("one that lives", learner)
    assert not stack.accepts("one that is gone", learner)


@pytest.mark.django_db
def test_only_a_stack_that_says_so_hands_out_a_credential_again() -> None:
    assert is_reused(bearer_credential("authtoken", "1:2.000000"))
    assert not is_reused(bearer_credential("custom", "a digest"))
