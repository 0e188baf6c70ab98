"""The examination: which steps are taken, and that its token is revoked whatever comes between."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from convai_sandbox.process import Sandbox
from convai_tokens.convai.client import ConvaiClient
from convai_tokens.doctor import installation, trial
from convai_tokens.doctor.examination import all_steps, examine
from convai_tokens.doctor.step import Finding, failed, verdict
from convai_tokens.doctor.trial import Trial
from tests.convai_tokens.doctor.findings import (
    CALLS,
    FAILED,
    NAMES,
    OK,
    SKIPPED,
    ConvaiSettings,
    examined,
    statuses,
)

TRIAL = CALLS[3:]


def test_the_steps_have_stable_names_and_need_earlier_ones_alone() -> None:
    earlier: list[str] = []

    for step in all_steps(Trial(), {}):
        assert set(step.needs) <= set(earlier)
        earlier.append(step.name)

    assert earlier == NAMES


def test_the_page_on_the_doctor_has_a_row_for_each_step() -> None:
    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text(encoding="utf-8")
    section = page.split("\n## Steps\n")[1].split("\n## ")[0]

    rows = re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)

    assert rows == [step.name for step in all_steps(Trial(), {})]


def test_offline_calls_nobody(convai: Sandbox) -> None:
    found = examined(offline=True)

    assert [name for name, status in statuses(found).items() if status == "skipped"][:6] == CALLS
    assert {found[name].detail for name in CALLS} == {"Not called, as --offline says."}
    assert {found[name].milliseconds for name in CALLS} == {None}
    assert convai.summary()["calls"] == {}


@pytest.mark.parametrize(
    ("changes", "skipped"),
    [
        ({"BASE_URL": "http://example.org"}, CALLS),
        ({"BASE_URL": "http://127.0.0.1:9"}, CALLS[1:]),
        ({"API_KEY": ""}, ["tls", *CALLS[3:]]),
    ],
)
def test_steps_that_could_only_fail_are_skipped(
    changes: dict[str, str], skipped: list[str], convai: Sandbox, convai_settings: ConvaiSettings
) -> None:
    convai_settings(**changes)

    found = examined()

    assert list(found) == NAMES
    assert verdict(found.values()) is FAILED
    assert [name for name in CALLS if found[name].status is SKIPPED] == skipped


@pytest.mark.parametrize(
    ("changes", "last", "reason"),
    [
        ({"BASE_URL": "http://example.org"}, 6, "BASE_URL can't be used."),
        ({"BASE_URL": "http://127.0.0.1:9"}, 5, "Convai is not reached."),
        ({"API_KEY": ""}, 3, "There is no API key to call with."),
        ({"API_KEY": "", "BASE_URL": "http://127.0.0.1:9"}, 5, "Convai is not reached."),
    ],
)
def test_a_missed_step_passes_its_reason_on_to_those_that_need_it(
    changes: dict[str, str],
    last: int,
    reason: str,
    convai: Sandbox,
    convai_settings: ConvaiSettings,
) -> None:
    convai_settings(**changes)

    found = examined()

    assert [found[name].detail for name in CALLS[-last:]] == [reason] * last


def test_the_key_goes_over_no_connection_that_is_not_trusted(
    https_sandbox: Sandbox, convai_settings: ConvaiSettings, transactional_db: None
) -> None:
    https_sandbox.reset()
    convai_settings(BASE_URL=https_sandbox.url)

    found = examined()

    assert statuses(found)["tls"] == "failed"
    assert {statuses(found)[name] for name in CALLS[2:]} == {"skipped"}
    assert {found[name].detail for name in CALLS[2:]} == {
        "The API key travels over no connection that isn't trusted."
    }
    assert https_sandbox.summary()["calls"] == {}


def test_all_calls_are_made_over_https(
    trusted: Sandbox, convai_settings: ConvaiSettings, transactional_db: None
) -> None:
    convai_settings(BASE_URL=trusted.url)

    found = statuses(examined())

    assert [found[name] for name in CALLS] == ["ok", "warning", "ok", "ok", "ok", "ok"]
    assert trusted.summary()["revoked"] == 1


def test_without_tables_the_steps_that_read_them_are_skipped(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = failed("Not applied.", "A cause.", "A fix.")
    monkeypatch.setattr(installation, "migrations", lambda: missing)

    found = statuses(examined())

    readers = ("encryption_keys", "owed", "given_up", "overdue")
    assert {found[name] for name in readers} == {"skipped"}


@pytest.mark.django_db
def test_a_cache_that_is_down_is_a_failure(settings: Any) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "tests.convai_tokens.doctor.caches.BrokenCache", "LOCATION": ""}
    }

    found = examined(offline=True)

    assert found["cache"].status is FAILED


def test_the_token_is_revoked_also_when_extend_fails(convai: Sandbox) -> None:
    convai.set(faults={"429": 1}, fault_paths=["extend"], retry_after="30")

    found = examined()

    assert found["extend"].status is FAILED
    assert found["revoke"].status is OK
    assert convai.summary()["revoked"] == 1


def test_the_token_is_revoked_also_when_nobody_can_be_told(convai: Sandbox) -> None:
    def closed(finding: Finding) -> None:
        if finding.name in TRIAL:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        examine(closed)

    assert convai.summary()["revoked"] == 1


def test_an_interrupted_revocation_is_told(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def interrupt(self: ConvaiClient, value: str) -> None:
        tries.append(value)
        raise KeyboardInterrupt

    monkeypatch.setattr(ConvaiClient, "revoke", interrupt)
    told: list[Finding] = []

    with pytest.raises(KeyboardInterrupt):
        examine(told.append)

    assert [finding.name for finding in told[-3:]] == TRIAL
    assert told[-1].status is FAILED
    assert "was NOT revoked" in told[-1].detail
    assert len(tries) == 1


def test_an_interrupted_extension_is_followed_by_the_revocation_alone(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: ConvaiClient, value: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ConvaiClient, "extend", interrupt)
    told: list[Finding] = []

    with pytest.raises(KeyboardInterrupt):
        examine(told.append)

    assert [finding.name for finding in told[-2:]] == ["generate", "revoke"]
    assert told[-1].status is OK
    assert convai.live() == []


def test_the_token_is_revoked_also_when_the_step_that_generated_it_fails(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(*args: object) -> Finding:
        raise ValueError

    monkeypatch.setattr(trial, "_lifetime", surprise)
    told: list[Finding] = []

    examine(told.append)

    assert (told[-1].name, told[-1].status) == ("revoke", OK)
    assert convai.live() == []


def test_convai_is_not_called_while_a_transaction_is_open(convai: Sandbox) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
        examined()

    assert convai.summary()["calls"] == {}
