"""The option ``--no-processes`` of pytest, for the daily round (``make test-fast``).

A test that would start a process is skipped at that moment, so nobody keeps a list of slow tests:
whatever needs the sandbox, gunicorn, a browser, an engine's worker or a command is left out.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from typing import NoReturn
from unittest import mock

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-processes", action="store_true", help="skip tests that start processes")


def pytest_configure(config: pytest.Config) -> None:
    """Let a test that is skipped on its way leave a file open; the whole suite looks for such."""
    if config.getoption("--no-processes"):
        config.addinivalue_line("filterwarnings", "ignore::ResourceWarning")


def skip(*args: object, **kwargs: object) -> NoReturn:
    pytest.skip("starts a process: `make test` runs it")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Refuse processes to the test and its fixtures, but not to pytest-xdist for its workers."""
    if not item.config.getoption("--no-processes"):
        return (yield)
    with mock.patch.object(subprocess.Popen, "__init__", skip), mock.patch.object(os, "fork", skip):
        return (yield)
