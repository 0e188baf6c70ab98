"""Crash reporters, the real packages, see no secret of ours, whatever goes wrong.

Some serialise the local variables of each frame without ``repr``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.convai_tokens.convai.servers import KEY
from tests.reporters.collector import Collector, documents, frames, path_of, without_frames_of
from tests.reporters.urls import PLAIN

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "sentry": "sentry_sdk",
    "rollbar": "rollbar",
    "elastic": "elasticapm",
    "bugsnag": "bugsnag",
}
# Bugsnag sends no local variables.
OF_LOCALS = ["sentry", "rollbar", "elastic"]


@dataclass
class Reported:
    """What a reporter sent while everything went wrong, and the learners' own secrets."""

    name: str
    texts: list[str]
    learners: set[str]

    def documents(self) -> Iterator[Any]:
        """Yield what was reported, without the frames of the tests that hold the secrets."""
        for text in self.texts:
            for document in documents(text):
                yield without_frames_of("tests/", document)

    def own_frames(self) -> list[dict[str, Any]]:
        """Return the frames of this app's own code."""
        found = (frame for document in self.documents() for frame in frames(document))
        return [frame for frame in found if "convai_tokens/" in path_of(frame)]


def report(name: str, database: Path) -> Reported:
    """Let everything go wrong in an LMS with this reporter; return what it sent."""
    if importlib.util.find_spec(PACKAGES[name]) is None:
        missing = f"{PACKAGES[name]} is not installed."
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    with Collector() as collector:
        environment = {
            **os.environ,
            "REPORTER": name,
            "COLLECTOR_PORT": str(collector.port),
            "REPORTER_DATABASE": str(database),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "tests.reporters.site"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return Reported(name, collector.texts, {*json.loads(done.stdout)})


def forms(secret: str) -> set[str]:
    """Return a secret as it is, in JSON within JSON, and in an address."""
    return {secret, json.dumps(secret)[1:-1], quote(secret)}


# One test for each, since a run takes long.
@pytest.mark.parametrize("name", PACKAGES)
def test_a_reporter_tells_what_went_wrong_and_no_secret(name: str, tmp_path: Path) -> None:
    reported = report(name, tmp_path / "db.sqlite3")

    # It works: it reports this app's frames, and what an LMS has in a plain local variable.
    functions = {frame.get("function") or frame.get("method") for frame in reported.own_frames()}
    assert len(reported.texts) > 50
    assert {"generate", "store", "end_sessions", "extend"} <= functions
    assert any(PLAIN in text for text in reported.texts) is (name in OF_LOCALS)
    # No key and no token is anywhere in it.
    shown = [json.dumps(document) for document in reported.documents()]
    for secret in (KEY, "CANARYTOKEN", "CANARYSEAL"):
        assert [text for text in shown if any(form in text for form in forms(secret))] == []
    # Nor has a frame of this app a session key or a bearer.
    assert len(reported.learners) > 10
    leaks = {
        (frame.get("function") or frame.get("method"), frame.get("lineno"))
        for frame in reported.own_frames()
        if any(secret in json.dumps(frame) for secret in reported.learners)
    }
    assert leaks == set()
