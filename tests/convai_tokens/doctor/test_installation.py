"""The steps on our own side: settings, tables and keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from convai_tokens.doctor import installation
from convai_tokens.models import ConvaiToken
from convai_tokens.models.moments import utc_now
from tests.convai_tokens.doctor.findings import (
    FAILED,
    KEY,
    OK,
    ConvaiSettings,
    MakeToken,
    ago,
    make_owed,
    names_a_remedy,
)


def test_the_key_is_present_and_not_shown() -> None:
    finding = installation.api_key()

    assert (finding.status, finding.cause, finding.fix) == (OK, "", "")
    assert KEY not in repr(finding)


def _vault_that_leaks() -> str:
    raise RuntimeError(f"403 for {KEY}")


@pytest.mark.parametrize(
    "key", ["", "  ", None, lambda: "", "spoilt\nkey", "käse", _vault_that_leaks]
)
def test_a_key_that_cannot_be_used_is_named_and_not_shown(
    key: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(API_KEY=key)

    finding = installation.api_key()

    assert finding.status is FAILED
    assert names_a_remedy(finding)
    assert not any(secret in repr(finding) for secret in (KEY, "spoilt", "käse"))


def test_the_base_url_is_shown_without_its_user_and_password(
    convai_settings: ConvaiSettings,
) -> None:
    convai_settings(BASE_URL="https://someone:secret@gateway.example.org:8443/convai?key=secret")

    finding = installation.base_url()

    assert (finding.status, finding.detail) == (OK, "https, gateway.example.org, port 8443.")


@pytest.mark.parametrize(
    "url", ["http://someone:secret@example.org", "https://", "https://secret:99999", "", None]
)
def test_a_base_url_that_cannot_be_used_is_named(url: Any, convai_settings: ConvaiSettings) -> None:
    convai_settings(BASE_URL=url)

    finding = installation.base_url()

    assert finding.status is FAILED
    assert names_a_remedy(finding)
    assert "secret" not in repr(finding)


def test_the_system_checks_pass() -> None:
    assert installation.system_checks().status is OK


def test_a_failing_system_check_is_told_with_its_id_and_hint(
    convai_settings: ConvaiSettings,
) -> None:
    convai_settings(READ_TIMEOUT="soon", MAX_LIVE_TOKEN=3)

    finding = installation.system_checks()

    assert finding.status is FAILED
    assert "convai_tokens.E003: " in finding.detail
    assert "convai_tokens.E008: " in finding.detail
    assert "The settings are: " in finding.fix


def test_a_silenced_system_check_is_not_told(
    convai_settings: ConvaiSettings, settings: Any
) -> None:
    convai_settings(MAX_LIVE_TOKEN=3)
    settings.SILENCED_SYSTEM_CHECKS = ["convai_tokens.E003"]

    assert installation.system_checks().status is OK


def test_the_middleware_is_looked_for(settings: Any) -> None:
    before = installation.middleware()
    settings.MIDDLEWARE = []

    finding = installation.middleware()

    assert before.status is OK
    assert finding.status is FAILED
    assert "Add it at the end" in finding.fix


@pytest.mark.django_db
def test_applied_migrations_are_ok() -> None:
    assert installation.migrations().status is OK


@pytest.mark.django_db
def test_a_missing_migration_is_named() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'convai_tokens'")

    finding = installation.migrations()

    assert finding.status is FAILED
    assert "convai_tokens.0001_initial" in finding.detail
    assert "manage.py migrate" in finding.fix


@pytest.mark.django_db
def test_without_stored_values_the_keys_are_tried_on_a_text(
    convai_settings: ConvaiSettings,
) -> None:
    derived = installation.encryption_keys()
    convai_settings(ENCRYPTION_KEYS=["k" * 40])

    own = installation.encryption_keys()

    assert (derived.status, own.status) == (OK, OK)
    assert "SECRET_KEY, as" in derived.detail
    assert own.detail.endswith("Keys: ENCRYPTION_KEYS.")


def test_stored_values_that_do_not_open_are_counted(
    token_row: MakeToken, convai_settings: ConvaiSettings
) -> None:
    convai_settings(ENCRYPTION_KEYS=["an old key " * 4])
    token_row(status="active")
    make_owed(token_row)
    convai_settings(ENCRYPTION_KEYS=["a new key " * 4, "an old key " * 4])
    token_row(status="active")
    both = installation.encryption_keys()
    convai_settings(ENCRYPTION_KEYS=["a new key " * 4])

    finding = installation.encryption_keys()

    assert both.status is OK
    assert "all of 3" in both.detail
    assert finding.status is FAILED
    assert finding.detail.startswith("2 of 3 stored values looked at don't open, 1 of them owed")
    assert names_a_remedy(finding)
    assert "new key" not in repr(finding)


def test_the_newest_and_the_oldest_and_all_owed_values_are_opened(
    token_row: MakeToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "SAMPLE", 1)
    monkeypatch.setattr(installation, "MOST_OWED", 2)
    tokens = [
        token_row(status="active", expires_at=utc_now() + timedelta(minutes=minutes))
        for minutes in range(5)
    ]
    for hours in (3, 2, 1):
        make_owed(token_row, owed_since=ago(hours=hours))
    ConvaiToken.objects.filter(pk__in=[tokens[0].pk, tokens[4].pk]).update(sealed="v1.broken")
    ConvaiToken.objects.filter(owed_since__gt=ago(minutes=90)).update(sealed="v1.broken")

    finding = installation.encryption_keys()

    assert finding.detail.startswith("2 of 4 stored values looked at don't open, 0 of them owed")
