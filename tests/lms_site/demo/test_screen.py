"""What the demo shows, and counts."""

from __future__ import annotations

import pytest
import requests

from convai_sandbox.process import SandboxError
from lms_site.demo.screen import Deviation, Screen, shortened


def test_a_call_with_another_status_is_a_deviation(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()

    screen.call("learner", "POST /", 200, 200, 0.1)
    screen.call("learner", "POST /", 500, 200, 0.1)

    assert screen.deviations == 1
    assert "Expected 200, got 500." in capsys.readouterr().out


def test_a_check_that_does_not_hold_is_a_deviation(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()

    screen.check(True, "It holds", "It doesn't.")
    screen.check(False, "It holds too", "It doesn't.")

    assert screen.deviations == 1
    assert "✗ Not so: It holds too\n     It doesn't.\n" in capsys.readouterr().out


def test_a_chapter_that_breaks_off_is_a_deviation_and_the_next_one_begins(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen()

    with screen.chapter("First"):
        raise Deviation("It can't go on.")
    with screen.chapter("Second"):
        pass

    assert screen.deviations == 1
    assert "1. First\n   ✗ It can't go on.\n\n2. Second" in capsys.readouterr().out


def test_a_short_token_shows_no_more_than_its_beginning() -> None:
    assert shortened("0123456789") == "012345…"
    assert shortened("a" * 36 + "wxyz") == "aaaaaa…wxyz"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (requests.ConnectTimeout("a detail"), "No answer came: ConnectTimeout."),
        (SandboxError("it is gone"), "The sandbox failed: it is gone."),
    ],
)
def test_a_chapter_without_an_answer_is_a_deviation(
    error: Exception, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Screen()

    with screen.chapter("First"):
        raise error

    assert screen.deviations == 1
    assert f"✗ {told}" in capsys.readouterr().out


def test_a_mistake_in_the_demo_itself_is_no_deviation() -> None:
    with pytest.raises(KeyError), Screen().chapter("First"):
        raise KeyError("a bug")
