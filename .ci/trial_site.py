"""Make a new site by the README's own lines, and follow one learner from login to logout.

Run it with the Python of an environment that has the wheel and nothing else.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

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
                return requests.get(f"http://{address}/admin/login/", timeout=PATIENCE).ok
            except requests.ConnectionError:
                return False

        try:
            eventually("the site's server answers", answers)
            yield f"http://{address}"
        finally:
            server.terminate()


def follow_learner(url: str, convai: Sandbox) -> None:
    """A login is answered with a token that Convai takes, and the logout revokes it."""
    with requests.Session() as browser:
        login = browser.post(f"{url}/login/", json=LEARNER, timeout=PATIENCE)
        token = login.json()["convai"]["apiAuthToken"]
        assert convai.live() == [token], "the login's token is the one that is alive"
        assert convai.connect(token) == 200, "Convai takes the login's token"
        csrf = {"X-CSRFToken": browser.cookies["csrftoken"]}
        fresh = browser.post(f"{url}/convai/token/", headers=csrf, timeout=PATIENCE)
        both = {token, fresh.json()["apiAuthToken"]}
        assert set(convai.live()) == both, "the token endpoint gives another one"
        assert browser.post(f"{url}/logout/", timeout=PATIENCE).ok, "the logout is answered"
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
