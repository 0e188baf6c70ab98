"""The steps of the story: each tells the truth about what it saw. ``test_main`` plays it whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convai_sandbox.process import Sandbox
from lms_site.demo import story
from lms_site.demo.clients import Account, Answer, BearerLearner
from lms_site.demo.processes import ProcessError
from lms_site.demo.screen import Deviation, Screen
from lms_site.demo.story import Story, waited
from lms_site.demo.throwaway import ThrowAway

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def site(tmp_path: Path) -> ThrowAway:
    """A throw-away site that was never made."""
    accounts = {"learner": Account("learner", "of-learner")}
    return ThrowAway(tmp_path / "none.sqlite3", tmp_path / "log", {}, accounts)


@pytest.fixture
def told(site: ThrowAway, convai_sandbox: Sandbox) -> Story:
    """A story that plays against the sandbox."""
    return Story(Screen(), NOWHERE, site, convai_sandbox)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "REVOKED_WITHIN", 0.0)
    monkeypatch.setattr(story, "SWEPT_WITHIN", 0.0)


def generated(sandbox: Sandbox) -> str:
    """Return a token that is alive at the sandbox."""
    headers = {"CONVAI-API-KEY": "a-key", "Content-Type": "application/json"}
    status, content = sandbox.call("POST", "/user/connect", b"{}", headers)
    assert status == 200, content
    return str(json.loads(content)["apiAuthToken"])


def test_waiting_ends_as_soon_as_it_is_done() -> None:
    answers = iter([False, False, True])

    assert waited(lambda: next(answers), 30, pause=0) is not None
    assert next(answers, "none left") == "none left"


def test_waiting_ends_with_nothing_when_the_time_is_up() -> None:
    assert waited(lambda: False, 0, pause=0) is None


def test_a_live_token_connects_and_one_that_nobody_knows_does_not(
    told: Story, convai_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    told.connect(generated(convai_sandbox), expect=200)
    told.connect("a-token-that-nobody-knows", expect=401)

    assert told.screen.deviations == 0
    assert "a-token-that-nobody-knows" not in capsys.readouterr().out


@pytest.mark.usefixtures("_impatient")
def test_a_token_that_stays_alive_is_a_deviation(told: Story, convai_sandbox: Sandbox) -> None:
    told.wait_until_revoked(generated(convai_sandbox))

    assert told.screen.deviations == 1


def test_without_the_sandbox_the_audit_tells_of_revocations_one_after_the_other(
    site: ThrowAway, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: Iterator[int] = iter([0, 1, 1, 2])
    monkeypatch.setattr(ThrowAway, "count_revoked", lambda self: next(counts))
    told = Story(Screen(), NOWHERE, site, sandbox=None)

    told.wait_until_revoked("first")
    told.wait_until_revoked("second")

    assert told.screen.deviations == 0
    assert next(counts, None) is None


def test_without_the_sandbox_connecting_is_left_out_and_said_so(
    site: ThrowAway, capsys: pytest.CaptureFixture[str]
) -> None:
    Story(Screen(), NOWHERE, site, sandbox=None).connect("a-token", expect=200)

    assert "Skipped: connecting" in capsys.readouterr().out


@pytest.mark.parametrize(("seconds", "deviations"), [(story.AT_ONCE, 0), (story.AT_ONCE + 0.1, 1)])
def test_a_logout_that_waited_is_a_deviation(
    told: Story, monkeypatch: pytest.MonkeyPatch, seconds: float, deviations: int
) -> None:
    learner = told.learner(BearerLearner)
    monkeypatch.setattr(learner, "log_out", lambda: Answer(204, {}, "", seconds))

    told.at_once(learner)

    assert told.screen.deviations == deviations


def test_the_sweep_is_run_until_nothing_is_owed(
    told: Story, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = iter(["revoked=1 owed=1", "revoked=1 owed=0"])
    monkeypatch.setattr(story, "run", lambda *args, **kwargs: next(said))
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    told.sweep()

    assert next(said, None) is None
    assert "1 revoked, 0 owed" in capsys.readouterr().out


@pytest.mark.usefixtures("_impatient")
def test_what_is_still_owed_ends_the_chapter(told: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "run", lambda *args, **kwargs: "revoked=0 owed=1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    with pytest.raises(Deviation, match="still owed"):
        told.sweep()


def test_a_sweep_that_fails_ends_the_chapter_with_its_reason(
    told: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> str:
        raise ProcessError("the reason")

    monkeypatch.setattr(story, "run", fail)

    with pytest.raises(Deviation, match="the reason"):
        told.sweep()


def test_a_chapter_that_goes_wrong_does_not_end_the_story(
    site: ThrowAway, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts = {name: Account(name, "x") for name in ("learner", "second-learner", "auditor")}
    nowhere = ThrowAway(site.database, site.log, {}, accounts)
    told = Story(Screen(), NOWHERE, nowhere, sandbox=None)

    told.play()

    shown = capsys.readouterr().out
    assert told.screen.deviations == 4  # nobody listens; the outage is left out
    assert "4. Convai is down: nobody waits, and nothing is lost\n     Skipped" in shown
    assert "5. An auditor opens the admin" in shown
