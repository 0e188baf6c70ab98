"""Sealing anew: after it the old key is needed by no stored value."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from convai_tokens.lifecycle.sealing import is_sealed_by_newest
from convai_tokens.models import ConvaiToken, TokenStatus

OLD, NEW = "old-" + "o" * 40, "new-" + "n" * 40


def run(*options: str) -> str:
    out = io.StringIO()
    call_command("convai_keys", "reseal", *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def under_the_old_key(
    convai: Any, convai_settings: Callable[..., None], learner: Any, log_in: Any
) -> None:
    """Three learner sessions with tokens that the old key sealed."""
    convai_settings(ENCRYPTION_KEYS=[OLD], DISPATCHER=lambda token_ids: None)
    for _ in range(3):
        log_in(client=Client())


@pytest.mark.usefixtures("under_the_old_key")
def test_after_it_the_new_key_alone_opens_all(
    convai: Any, convai_settings: Callable[..., None]
) -> None:
    convai_settings(ENCRYPTION_KEYS=[NEW, OLD])

    assert run() == "resealed=3 newest=0 shut=0\n"
    assert run() == "resealed=0 newest=3 shut=0\n"

    convai_settings(ENCRYPTION_KEYS=[NEW])
    call_command("convai_revoke", "--all", "--yes", stdout=io.StringIO())
    assert convai.live() == []


@pytest.mark.usefixtures("under_the_old_key")
def test_a_dry_run_changes_nothing(convai_settings: Callable[..., None]) -> None:
    before = list(ConvaiToken.objects.order_by("pk").values())
    convai_settings(ENCRYPTION_KEYS=[NEW, OLD])

    assert run("--dry-run") == "resealed=3 newest=0 shut=0\n"

    assert list(ConvaiToken.objects.order_by("pk").values()) == before


@pytest.mark.usefixtures("under_the_old_key")
def test_a_value_that_no_key_opens_is_told_and_left(convai_settings: Callable[..., None]) -> None:
    convai_settings(ENCRYPTION_KEYS=[NEW])
    before = list(ConvaiToken.objects.order_by("pk").values_list("sealed", flat=True))

    with pytest.raises(CommandError, match="3 values are opened by no key"):
        run()

    assert list(ConvaiToken.objects.order_by("pk").values_list("sealed", flat=True)) == before


@pytest.mark.usefixtures("under_the_old_key")
def test_a_value_that_was_wiped_meanwhile_stays_wiped(
    convai_settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wiped_meanwhile(*place: Any) -> bool:
        ConvaiToken.objects.update(sealed="", status=TokenStatus.REVOKED)
        return is_sealed_by_newest(*place)

    convai_settings(ENCRYPTION_KEYS=[NEW, OLD])
    monkeypatch.setattr("convai_tokens.lifecycle.resealing.is_sealed_by_newest", wiped_meanwhile)

    run()

    assert not ConvaiToken.objects.exclude(sealed="").exists()
