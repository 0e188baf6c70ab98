"""Make a new site by the README's own lines, and follow one learner from login to logout.

Run it with the Python of an environment that has the wheel and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import URLError
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

from convai_sandbox.process import Sandbox

README = Path(__file__).resolve().parents[1] / "README.md"
LEARNER = {"username": "learner", "password": "a-password-of-the-trial"}
PATIENCE = 30.0  # seconds, on a busy machine


def eventually(what: str, holds: Callable[[], bool]) -> None:
    """Wait until it holds; stop with ``what`` when it doesn't in time."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE:.0f} seconds"
        time.sleep(0.2)


class Browser:
    """Calls the site and keeps its cookies, without any package beside the wheel's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._cookies = CookieJar()
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(self._cookies))

    def call(self, path: str, data: object = None) -> bytes:
        """GET, or POST ``data`` as JSON; return the body, raise ``URLError`` unless all is well."""
        headers = {"Content-Type": "application/json"}
        for cookie in self._cookies:
            if cookie.name == "csrftoken":
                headers["X-CSRFToken"] = cookie.value or ""
        body = None if data is None else json.dumps(data).encode()
        request = Request(self._url + path, body, headers)
        with self._opener.open(request, timeout=PATIENCE) as answer:
            content: bytes = answer.read()
            return content


def readme_lines(mark: str) -> str:
    """Return the README's one block of Python that has ``mark`` in it."""
    blocks = re.findall(r"^```python$(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    (found,) = (block for block in blocks if mark in block)
    return str(found)


def make_site(folder: Path, environment: dict[str, str]) -> list[str]:
    """Make the site and its learner; return the command line of its manage.py."""
    startproject = [sys.executable, "-m", "django", "startproject", "lms", str(folder)]
    subprocess.run(startproject, check=True)
    for name, mark in (("settings.py", "INSTALLED_APPS +="), ("urls.py", "urlpatterns +=")):
        with folder.joinpath("lms", name).open("a") as file:
            file.write(readme_lines(mark))
    manage = [sys.executable, str(folder / "manage.py")]
    for command in (
        ["migrate", "--verbosity=0"],
        ["check", "--fail-level=WARNING"],
        ["makemigrations", "--check", "--dry-run"],
        ["createsuperuser", "--noinput", "--username=learner", "--email=learner@example.org"],
    ):
        subprocess.run(
            [*manage, *command],
            env={**environment, "DJANGO_SUPERUSER_PASSWORD": LEARNER["password"]},
            check=True,
        )
    return manage


@contextmanager
def serve(manage: list[str], environment: dict[str, str]) -> Iterator[str]:
    """Run the site's development server; yield its URL once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    command = [*manage, "runserver", "--noreload", address]
    with subprocess.Popen(command, env=environment) as server:

        def answers() -> bool:
            assert server.poll() is None, "the site's server ended"
            try:
                return Browser(f"http://{address}").call("/admin/login/") != b""
            except URLError:
                return False

        try:
            eventually("the site's server answers", answers)
            yield f"http://{address}"
        finally:
            server.terminate()


def follow_learner(url: str, convai: Sandbox) -> None:
    """A login is answered with a token that Convai takes, and the logout revokes it."""
    browser = Browser(url)
    token = json.loads(browser.call("/login/", LEARNER))["convai"]["apiAuthToken"]
    assert convai.live() == [token], "the login's token is the one that is alive"
    assert convai.connect(token) == 200, "Convai takes the login's token"
    fresh = json.loads(browser.call("/convai/token/", {}))["apiAuthToken"]
    assert set(convai.live()) == {token, fresh}, "the token endpoint gives another one"
    browser.call("/logout/", {})
    eventually("the logout revokes both tokens", lambda: not convai.live())


def main() -> None:
    with tempfile.TemporaryDirectory() as name, Sandbox() as convai:
        environment = {
            **os.environ,
            "CONVAI_API_KEY": "a-key-of-the-trial",
            "CONVAI_BASE_URL": convai.url,
            "no_proxy": "127.0.0.1",
        }
        manage = make_site(Path(name), environment)
        with serve(manage, environment) as url:
            follow_learner(url, convai)


if __name__ == "__main__":
    main()
