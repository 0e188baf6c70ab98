"""A site of ``startproject``, a package's quick start and our page's lines; served for real."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import requests
from django.core.management import call_command

from lms_site.demo.processes import Site, direct_http

from .pages import ROOT, Lines

PASSWORD = "a-password-of-the-suite"
ADMIN = "/admin/convai_tokens/learnersession/"
HARNESS = [
    (
        "lms/settings.py",
        """
import os

ALLOWED_HOSTS = ["*"]
DEBUG = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MIDDLEWARE.insert(0, "lms.harness.count_queries")
CONVAI_TOKENS |= {"ONE_SESSION_PER_DEVICE": True, "LEARNER_RATE": 10_000}
ACCOUNT_RATE_LIMITS = False  # of allauth: the tests log in more often than a learner
if os.environ.get("DATABASE_URL", "").startswith("mysql"):
    import environ

    is_atomic = {"ATOMIC_REQUESTS": DATABASES["default"].get("ATOMIC_REQUESTS", False)}
    DATABASES = {"default": environ.Env.db_url_config(os.environ["DATABASE_URL"]) | is_atomic}
else:
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
    }
""",
    ),
    (
        "lms/urls.py",
        """
from . import harness

urlpatterns += [
    path("whoami/", harness.whoami),
    path("browser/", harness.log_in_to_browser),
    path("run/", harness.run),
    path("healthz", harness.log_in_to_browser),
]
""",
    ),
    (
        "lms/wsgi.py",
        """
from .harness import prepare

prepare()
""",
    ),
]


class StackSite:
    """A learning platform of its own. A context manager; ``url`` is where it serves."""

    def __init__(self, folder: Path, convai: str, *parts: Lines, **environment: str) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            "CONVAI_API_KEY": "a-key-of-the-suite",
            "CONVAI_BASE_URL": convai,
            "DATABASE_URL": "",
            "DJANGO_SETTINGS_MODULE": "lms.settings",
            "PYTHONPATH": str(ROOT),
            "PASSWORD_OF_ALL": PASSWORD,
            "PYTHONWARNINGS": "ignore",
            **environment,
        }
        folder.mkdir(exist_ok=True)
        call_command("startproject", "lms", str(folder))
        shutil.copy(Path(__file__).with_name("harness.py"), folder / "lms/harness.py")
        self._install()
        for name, text in (line for part in (*parts, HARNESS) for line in part):
            with (folder / name).open("a") as file:
                file.write(text)

    def _install(self) -> None:
        """Let others find the package by its entry points, as after an installation."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        info = self._folder / "django_convai_tokens-0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: 0\n")
        points = [
            f"[{group}]\n" + "\n".join(f"{name} = {path}" for name, path in names.items())
            for group, names in project["entry-points"].items()
        ]
        (info / "entry_points.txt").write_text("\n".join(points))

    def __enter__(self) -> Self:
        # The folder comes last, so that the project's own "lms" isn't shadowed.
        self._server = Site(
            self._environment | {"PYTHONPATH": f"{self._folder}{os.pathsep}{ROOT}"},
            self._folder / "server.log",
            application="lms.wsgi",
            workers=1,
            threads=6,
        )
        self._server.__enter__()
        self.url = self._server.url
        return self

    def __exit__(self, *details: object) -> None:
        self._server.stop()

    def run(self, code: str) -> str:
        """Run some code in the site's process, as the LMS's own might; return what it printed."""
        done = direct_http().post(f"{self.url}/run/", code.encode())
        assert done.status_code == 200, done.text[-3000:]
        return done.text

    def log(self) -> str:
        """Return what the server has logged."""
        return (self._folder / "server.log").read_text()

    def end_all_by_staff(self) -> None:
        """End all open learner sessions in the admin, as somebody of the staff."""
        http = direct_http()
        self.log_in_to_browser(http, "staff")
        page = http.get(f"{self.url}{ADMIN}?state=open").text
        ids = re.findall(r'name="_selected_action" value="([^"]+)"', page)
        assert ids, page
        form = {"action": "end_selected", "_selected_action": ids, "confirmed": "yes"}
        done = http.post(f"{self.url}{ADMIN}?state=open", self._with_csrf(http, form))
        assert done.status_code == 200, done.text

    def log_in_to_browser(self, http: requests.Session, username: str) -> None:
        """Log in by a page of HTML, as a browser does."""
        http.get(f"{self.url}/browser/")
        form = {"username": username, "password": PASSWORD}
        done = http.post(f"{self.url}/browser/", self._with_csrf(http, form))
        assert done.status_code == 200, done.text

    def _with_csrf(self, http: requests.Session, form: Mapping[str, object]) -> dict[str, object]:
        return {**form, "csrfmiddlewaretoken": http.cookies["csrftoken"]}
