"""The throw-away token: generated, extended and revoked, and how that is judged."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from convai_sandbox.process import Sandbox
from convai_tokens.convai.client import ConvaiClient, get_client
from convai_tokens.doctor import trial
from convai_tokens.doctor.step import Finding
from convai_tokens.doctor.trial import Trial
from convai_tokens.exceptions import ConvaiUnavailable, ErrorCode
from tests.convai_tokens.doctor.findings import (
    FAILED,
    OK,
    SKIPPED,
    WARNING,
    ConvaiSettings,
    examined,
    names_a_remedy,
    statuses,
)


def try_token() -> dict[str, Finding]:
    """Take the three steps as the examination does; return what they found."""
    token = Trial()
    return {"generate": token.generate(), "extend": token.extend(), "revoke": token.revoke()}


def test_a_token_is_generated_extended_and_revoked(convai: Sandbox) -> None:
    found = try_token()

    assert statuses(found) == {"generate": OK, "extend": OK, "revoke": OK}
    assert convai.summary()["revoked"] == 1
    assert convai.live() == []


@pytest.mark.parametrize(
    ("switches", "code"),
    [
        ({"accepted_keys": ["another"]}, "convai_bad_key"),
        ({"faults": {"429": 1}}, "convai_rate_limited"),
        ({"faults": {"403": 1}, "error_text": "API usage limit exceeded for current plan."},
         "convai_plan_limit"),
        ({"faults": {"503": 1}}, "convai_unavailable"),
        ({"faults": {"404": 1}}, "convai_refused"),
        ({"redirect": 302}, "convai_unavailable"),
        ({"reset": True}, "convai_dropped"),
        ({"malformed": "not_json"}, "convai_unavailable"),
    ],
)  # fmt: skip
def test_a_token_that_is_not_generated_fails_with_its_cause(
    switches: dict[str, Any], code: str, convai: Sandbox
) -> None:
    convai.set(**switches)

    found = examined()

    assert found["generate"].status is FAILED
    assert found["generate"].detail.startswith(f"{code}: ")
    assert names_a_remedy(found["generate"])
    assert found["extend"].status is found["revoke"].status is SKIPPED
    assert convai.live() == []


def test_a_convai_that_hangs_is_given_up_with_a_word_on_the_token(
    convai: Sandbox, convai_settings: ConvaiSettings
) -> None:
    convai_settings(CONNECT_TIMEOUT=0.2, READ_TIMEOUT=0.2)
    convai.set(hang_after=True)

    finding = Trial().generate()

    assert finding.detail.startswith("convai_timeout: ")
    assert finding.detail.endswith("A token that nobody has may be alive.")


def test_a_token_that_could_not_be_revoked_is_told_with_its_end(convai: Sandbox) -> None:
    convai.set(faults={"503": 1}, fault_paths=["revoke"])

    finding = try_token()["revoke"]

    assert finding.status is FAILED
    ends = convai.ledger()["tokens"][0]["expires_at"][11:16]
    assert f"was NOT revoked: it lives until {ends} UTC" in finding.detail
    assert names_a_remedy(finding)
    assert convai.summary()["calls"]["/user/revoke-token"] == len(trial.PAUSES)


def test_a_revocation_that_succeeds_at_a_later_try_is_a_warning(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Exception | None] = [ConvaiUnavailable("A hiccup."), None]
    revoke = ConvaiClient.revoke

    def hiccup(self: ConvaiClient, value: Any) -> None:
        if answer := answers.pop(0):
            raise answer
        revoke(self, value)

    monkeypatch.setattr(ConvaiClient, "revoke", hiccup)

    finding = try_token()["revoke"]

    assert finding.status is WARNING
    assert "A hiccup." in finding.detail
    assert convai.live() == []


@pytest.mark.parametrize(
    ("text", "code"), [("Not Found", "token_rejected"), ("Unknown token.", "token_gone")]
)
def test_a_convai_that_does_not_know_the_new_token_is_a_failure(
    convai: Sandbox, text: str, code: str
) -> None:
    convai.set(faults={"404": 1}, fault_paths=["revoke"], error_text=text)

    finding = try_token()["revoke"]

    assert finding.status is FAILED
    assert finding.detail.startswith(f"{code}: ")
    assert "was NOT revoked" in finding.detail


def test_a_token_that_is_gone_after_an_unheard_answer_was_revoked_by_then(
    convai: Sandbox,
) -> None:
    convai.set(drop=True, fault_paths=["revoke"], revoke_dead=404)
    revoke = ConvaiClient.revoke

    def drop_once(self: ConvaiClient, value: Any) -> None:
        try:
            revoke(self, value)
        finally:
            convai.set(drop=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConvaiClient, "revoke", drop_once)
        finding = try_token()["revoke"]

    assert finding.status is WARNING
    assert finding.detail.startswith("Revoked, but ")
    assert convai.live() == []


@pytest.mark.parametrize(
    ("switches", "name", "words"),
    [
        ({"expiration_format": "nonsense"}, "generate", "missing or unreadable"),
        ({"expiration_format": "none"}, "generate", "missing or unreadable"),
        ({"ttl": 60}, "generate", "1 min"),
        ({"ttl": 36000}, "generate", "600 min"),
        ({"extend_by": 60}, "extend", "1 min"),
        ({"extend_by": 30 * 3600}, "extend", "beyond REVOKE_HORIZON"),
    ],
)
def test_an_implausible_expiration_is_a_warning(
    switches: dict[str, Any], name: str, words: str, convai: Sandbox
) -> None:
    convai.set(**switches)

    found = try_token()

    assert found[name].status is WARNING
    assert words in found[name].detail
    assert names_a_remedy(found[name])
    assert found["revoke"].status is OK


@pytest.mark.parametrize("offset", [-7200, 7200])
def test_a_lifetime_is_measured_on_convais_clock(offset: int, convai: Sandbox) -> None:
    convai.set(clock_offset=offset)

    found = try_token()

    assert [found[name].status for name in ("generate", "extend")] == [OK, OK]
    assert "60 min" in found["generate"].detail


@pytest.mark.parametrize("form", ["z", "naive", "epoch"])
def test_every_form_of_expiration_is_plausible_and_so_are_24_hours_by_extend(
    form: str, convai: Sandbox
) -> None:
    convai.set(expiration_format=form, extend_by=24 * 3600)

    assert set(statuses(try_token()).values()) == {OK}


def test_the_doctor_calls_although_the_breaker_is_open_and_leaves_it_as_it_is(
    convai: Sandbox,
) -> None:
    breakers = get_client().breaker, get_client().revoking
    for breaker in breakers:
        breaker.heard(ConvaiUnavailable("", code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=60))

    found = try_token()

    assert set(statuses(found).values()) == {OK}
    assert all(50 < breaker.pause_left <= 60 for breaker in breakers)


def test_a_failing_doctor_does_not_open_the_breaker_nor_write_log_lines(
    convai: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    convai.set(accepted_keys=["another"])

    finding = Trial().generate()

    assert finding.status is FAILED
    assert get_client().breaker.pause_left == get_client().revoking.pause_left == 0
    assert [record for record in caplog.records if record.name == "convai_tokens"] == []
    logging.getLogger("convai_tokens").warning("afterwards")
    assert "afterwards" in caplog.text


def test_a_revocation_that_is_broken_off_is_told_with_the_end_of_the_token() -> None:
    token = Trial(ends=datetime(2026, 11, 22, 15, 4, tzinfo=UTC))

    finding = token.revoke_interrupted()

    assert finding.status is FAILED
    assert "was NOT revoked: it lives until 15:04 UTC" in finding.detail
    assert names_a_remedy(finding)


def test_the_value_is_forgotten_whether_or_not_it_was_revoked(convai: Sandbox) -> None:
    convai.set(faults={"503": 1}, fault_paths=["revoke"])
    token = Trial()
    token.generate()
    assert token.value

    finding = token.revoke()

    assert finding.status is FAILED
    assert not token.value
