"""The LMS site as a customer runs it: gunicorn in processes of its own, the sandbox in another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from convai_sandbox.process import Sandbox
from lms_site.demo.processes import Site
from lms_site.demo.throwaway import ThrowAway


@dataclass(frozen=True)
class LMS:
    """A running site, its users' passwords, and the Convai that it talks to."""

    url: str
    site: ThrowAway
    sandbox: Sandbox

    def credentials(self, name: str = "learner", **more: Any) -> dict[str, Any]:
        return {"username": name, "password": self.site.accounts[name].password, **more}

    def http(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        return session

    def post(self, path: str, **arguments: Any) -> requests.Response:
        with self.http() as http:
            return http.post(self.url + path, timeout=30, **arguments)

    def get(self, path: str, **arguments: Any) -> requests.Response:
        with self.http() as http:
            return http.get(self.url + path, timeout=30, **arguments)


@pytest.fixture(scope="session")
def lms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LMS]:
    with Sandbox() as sandbox:
        site = ThrowAway.make(tmp_path_factory.mktemp("lms"), sandbox.url)
        with Site(site.environment, site.log) as server:
            yield LMS(server.url, site, sandbox)
