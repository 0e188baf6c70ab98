"""A process that is talked to in lines."""

from __future__ import annotations

import os

import pytest

from benchmarks.load.worker import Worker
from lms_site.demo.processes import ProcessError

ECHO = (
    "import sys\nfor line in sys.stdin: print(line.strip().upper(), 'more', sep='\\n', flush=True)"
)


def test_a_worker_answers_line_by_line_until_it_is_left() -> None:
    with Worker("-c", ECHO, environment=os.environ) as worker:
        assert worker.ask("one") == "ONE"
        assert worker.hear() == "more"
        assert worker.ask("two") == "TWO"
        assert worker.running

    assert not worker.running


def test_a_worker_that_has_ended_says_so() -> None:
    with (
        Worker("-c", "input()", environment=os.environ) as worker,
        pytest.raises(ProcessError, match="has ended"),
    ):
        worker.ask("one")
