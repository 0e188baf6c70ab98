"""Taking a step: named, timed, skipped where an earlier one rules it out."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from convai_tokens.doctor.step import Finding, Step, failed, ok, skipped, take, verdict, warning
from tests.convai_tokens.doctor.findings import (
    FAILED,
    KEY,
    OK,
    SKIPPED,
    WARNING,
    names_a_remedy,
)


def test_a_step_that_raises_fails_without_the_words_of_the_exception() -> None:
    def surprise() -> Finding:
        raise ValueError(KEY)

    finding = take(Step("a_step", surprise), {})

    assert (finding.name, finding.status) == ("a_step", FAILED)
    assert "ValueError" in finding.detail
    assert KEY not in repr(finding)


def test_a_database_that_is_down_is_named_without_its_address() -> None:
    def read() -> Finding:
        raise OperationalError("connection to someone:secret@db.example.org failed")

    finding = take(Step("a_step", read), {})

    assert (finding.status, finding.detail) == (FAILED, "The database raised OperationalError.")
    assert names_a_remedy(finding)


def test_an_interruption_is_no_finding() -> None:
    def interrupt() -> Finding:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(Step("a_step", interrupt), {})


def test_a_step_that_is_taken_gets_its_name_and_what_it_took() -> None:
    finding = take(Step("a_step", lambda: warning("Detail.", "Cause.", "Fix.")), {})

    assert finding == Finding(
        WARNING, "Detail.", "Cause.", "Fix.", name="a_step", milliseconds=finding.milliseconds
    )
    assert finding.milliseconds is not None
    assert 0 <= finding.milliseconds < 1000


def unexpected() -> Finding:
    raise AssertionError("It is not to be taken.")


def test_a_step_is_skipped_when_one_that_it_needs_failed() -> None:
    earlier = {"first": take(Step("first", lambda: failed("No.", "Cause.", "Fix.")), {})}

    finding = take(Step("second", unexpected, {"first": "The first one failed."}), earlier)

    assert finding == Finding(SKIPPED, "The first one failed.", name="second")


def test_a_step_that_was_not_taken_passes_its_reason_on() -> None:
    earlier = {"first": take(Step("first", unexpected, skip="Not today."), {})}

    finding = take(Step("second", unexpected, {"first": "The first one failed."}), earlier)

    assert finding == Finding(SKIPPED, "Not today.", name="second")


def test_the_first_reason_counts() -> None:
    no = take(Step("no", lambda: failed("No.", "Cause.", "Fix.")), {})

    finding = take(
        Step("last", unexpected, {"a": "Reason a.", "b": "Reason b."}), {"a": no, "b": no}
    )

    assert finding.detail == "Reason a."


@pytest.mark.parametrize(
    "found", [ok("Yes."), warning("Well.", "Cause.", "Fix."), skipped("Not applicable.")]
)
def test_what_was_taken_and_did_not_fail_keeps_no_step_from_being_taken(found: Finding) -> None:
    earlier = {"first": take(Step("first", lambda: found), {})}

    finding = take(Step("second", lambda: ok("Taken."), {"first": "A reason."}), earlier)

    assert (finding.status, finding.detail) == (OK, "Taken.")


def test_the_verdict_is_the_worst_status() -> None:
    findings = [Finding(status, "") for status in (OK, SKIPPED, WARNING, FAILED)]

    assert [verdict(findings[:count]) for count in range(5)] == [
        OK,
        OK,
        OK,
        WARNING,
        FAILED,
    ]
