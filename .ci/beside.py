"""Run login stacks' own tests of login and logout with the app installed beside them.

Their source distributions are downloaded, in the versions that are installed here, and run as they
are, with a plugin of pytest's that adds the app to whatever settings they choose. All that passes
alone has to pass beside us. Run it with the Python of requirements-beside.txt.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from convai_sandbox.process import Sandbox

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = """
import os

from django.conf import LazySettings, Settings

APP = "convai_tokens"
MIDDLEWARE = "convai_tokens.middleware.ConvaiTokenMiddleware"


def nothing(block):
    return {}


def add(settings):
    apps = [*settings.INSTALLED_APPS]
    settings.INSTALLED_APPS = apps + [it for it in ("rest_framework", APP) if it not in apps]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, MIDDLEWARE]
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.CONVAI_TOKENS = {
        "API_KEY": "a-key-of-the-trial",
        "BASE_URL": os.environ["CONVAI_BASE_URL"],
        "DISPATCHER": "convai_tokens.dispatch.inline",
        "PAYLOAD": nothing,  # some of the tests compare the whole response
    }


read, configure = Settings.__init__, LazySettings.configure


def read_and_add(self, module):
    read(self, module)
    add(self)


def configure_and_add(self, *arguments, **options):
    configure(self, *arguments, **options)
    add(self._wrapped)


Settings.__init__, LazySettings.configure = read_and_add, configure_and_add
"""


class Suite(NamedTuple):
    """A package, how its tests are run in its source's folder, and how many pass."""

    package: str
    arguments: list[str]
    path: str
    passing: int


SUITES = [
    Suite(
        "djangorestframework-simplejwt",
        ["tests/test_views.py", "tests/test_token_blacklist.py", "tests/test_authentication.py"],
        ".",
        63,
    ),
    Suite(
        "dj-rest-auth",
        ["--ds=tests.settings", "dj_rest_auth/tests/test_api.py"],
        "dj_rest_auth",
        51,
    ),
    Suite(
        "django-allauth",
        [
            "--ds=tests.projects.headless_only.settings",
            *(f"tests/apps/headless/{name}" for name in ("account", "usersessions", "contrib")),
        ],
        ".",
        306,
    ),
]


def source_of(package: str, folder: Path) -> Path:
    """Download and unpack the source of the version that is installed; return its folder."""
    requirement = f"{package}=={version(package)}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
    subprocess.run([*pip, *options, requirement], check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    archive.unlink()
    (unpacked,) = folder.iterdir()
    return unpacked


def passed(suite: Suite, source: Path, convai: str, plugins: Path | None) -> tuple[int, str]:
    """Return how many of the suite's tests pass, and what pytest said."""
    path = [source, source / suite.path, ROOT, *([plugins] if plugins else [])]
    options = ["-q", "-p", "no:randomly", "-c", os.devnull, "--rootdir", str(source)]
    beside = ["-p", "convai_beside"] if plugins else []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *beside, *suite.arguments],
        cwd=source,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "CONVAI_BASE_URL": convai,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"(\d+) passed", done.stdout)
    return int(found[1]) if found else 0, done.stdout + done.stderr


def main() -> int:
    failed = False
    with tempfile.TemporaryDirectory() as name, Sandbox() as convai:
        plugins = Path(name, "plugins")
        plugins.mkdir()
        (plugins / "convai_beside.py").write_text(PLUGIN)
        for suite in SUITES:
            folder = Path(name, suite.package)
            folder.mkdir()
            source = source_of(suite.package, folder)
            beside, said = passed(suite, source, convai.url, plugins)
            print(f"{suite.package} {version(suite.package)}: {beside} of its tests pass beside us")
            if beside == suite.passing:
                continue
            failed = True
            alone, _ = passed(suite, source, convai.url, None)
            print(f"{said[-3000:]}\nAlone {alone} pass, where {suite.passing} are expected.")
    return failed


if __name__ == "__main__":
    sys.exit(main())
