"""The LMS site as a customer runs it: gunicorn in processes of its own, the sandbox in another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from convai_sandbox.process import Sandbox
from lms_site.demo.processes import Site
from lms_site.demo.throwaway import ThrowAway
from tests.lms_site.lms import LMS, UNTHROTTLED


@pytest.fixture(scope="session")
def lms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LMS]:
    with Sandbox() as sandbox:
        site = ThrowAway.make(tmp_path_factory.mktemp("lms"), sandbox.url)
        with Site(site.environment | UNTHROTTLED, site.log) as server:
            yield LMS(server.url, site, sandbox)
