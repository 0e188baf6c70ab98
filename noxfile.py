"""All that must hold, one session for each: ``nox`` runs them all, ``nox -l`` lists them.

``tests`` and ``lowest`` have environments of their own. The others use the Makefile's, and make it
where it isn't there. What a machine lacks is a failure with CI=true, a skip elsewhere.
"""

from __future__ import annotations

import os
import tomllib
from itertools import chain
from pathlib import Path
from typing import NoReturn

import nox

IN_CI = os.environ.get("CI") == "true"
nox.needs_version = ">=2025.2.9"
nox.options.reuse_venv = "yes"  # safe: every session installs its pinned requirements first
nox.options.error_on_missing_interpreters = IN_CI

# A shim of pyenv's leads to no version that isn't chosen, so look where they are.
PYENV = Path.home().glob(".pyenv/versions/3.*/bin")
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, PYENV)])

PYTHON = ".venv/bin/python"
POSTGRES = os.environ.get("POSTGRES_URL", "postgres://root@127.0.0.1:5432/postgres")
MARIADB = os.environ.get("MARIADB_URL", "mysql://root@127.0.0.1:3306/mysql")
# What meets no database, or brings its own.
NO_DATABASE = ("convai_sandbox", "convai_tokens/convai", "lms_site", "reporters")
# What a login stack's site is asked, one process asks.
PYTEST = ["-m", "pytest", "-q", "-n", "auto", "--dist", "loadgroup"]


def make(session: nox.Session, *arguments: str) -> None:
    session.run("make", "--no-print-directory", *arguments, external=True)


def install(session: nox.Session, *arguments: str) -> None:
    """Install into the Makefile's environment what only this session needs."""
    make(session, "install-dev")
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    session.run(PYTHON, *pip, *arguments, external=True)


def missing(session: nox.Session, what: str) -> NoReturn:
    """End the session: as a failure in CI, as a skip elsewhere."""
    if IN_CI:
        session.error(what)
    session.skip(what)


def suite(session: nox.Session, *options: str, **environment: str) -> None:
    session.run("python", "-m", "django", "--version")
    session.run(
        *("python", "manage.py", "makemigrations", "--check", "--dry-run"),
        env={"DJANGO_DEBUG": "1", "CONVAI_API_KEY": "unused"},
    )
    # The crash reporters and the browser take minutes, and `make test` has tried them.
    apart = ["--ignore=tests/reporters", "-m", "not browser"]
    if environment.get("USE_TZ") == "0":  # the stacks' sites have settings of their own
        apart.append("--ignore=tests/stacks/test_matrix.py")
    session.run("python", *PYTEST, *apart, *options, *session.posargs, env=environment)


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """The suite on each Python, with the Django that requirements.txt has for it.

    Once as a site without time zones, whose clock isn't UTC.
    """
    session.install("-r", "requirements-dev.txt")
    suite(session, USE_TZ="0" if session.python == "3.12" else "1")


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """What starts no process, with the oldest of what pyproject.toml says we need.

    And the sites of the oldest version of each login stack, on the oldest Python.
    """
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    needs = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    session.install("-r", "requirements-dev.txt")
    session.install("-r", "requirements-stacks-oldest.txt")
    session.install("--no-deps", *(need.replace(">=", "==") for need in needs))
    suite(session, "--no-processes")
    session.run("python", *PYTEST, "tests/stacks/test_matrix.py")


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """ruff, the import contracts, the migrations."""
    make(session, "lint")


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """mypy."""
    make(session, "types")


@nox.session(venv_backend="none")
def package(session: nox.Session) -> None:
    """Build the sdist and the wheel, and try them as somebody who has nothing else."""
    install(session, "-r", "requirements-package.txt")
    session.run(PYTHON, ".ci/try_package.py", external=True)


@nox.session(venv_backend="none")
def beside(session: nox.Session) -> None:
    """Login stacks' own tests, with the app installed beside them."""
    install(session, "-r", "requirements-beside.txt")
    session.run(PYTHON, ".ci/beside.py", env={"PYTHONPATH": "."}, external=True)


@nox.session(venv_backend="none")
def postgresql(session: nox.Session) -> None:
    """The suite and the chaos harness on PostgreSQL, at POSTGRES_URL."""
    on_database(session, POSTGRES)


@nox.session(venv_backend="none")
def mariadb(session: nox.Session) -> None:
    """The suite and the chaos harness on MariaDB, at MARIADB_URL."""
    on_database(session, MARIADB)


def on_database(session: nox.Session, url: str) -> None:
    database = {"DATABASE_URL": url}
    try:
        install(session, "-r", "requirements-databases.txt")
    except nox.command.CommandFailed:
        missing(session, "No database drivers: requirements-databases.txt tells what they need.")
    reach = [PYTHON, "-W", "ignore", ".ci/reach.py"]
    why = session.run(*reach, env=database, external=True, silent=True, success_codes=[0, 1])
    if why:
        missing(session, str(why).strip())
    apart = [*(f"--ignore=tests/{name}" for name in NO_DATABASE), "-m", "not browser"]
    session.run(PYTHON, *PYTEST, *apart, *session.posargs, env=database, external=True)
    # What must hold whatever the site's settings: without time zones too.
    without = {**database, "USE_TZ": "0"}
    session.run(PYTHON, *PYTEST, "tests/promises", env=without, external=True)
    # By itself, for it kills processes and measures time.
    chaos = ["-m", "pytest", "-q", "tests/benchmarks/test_chaos.py"]
    session.run(PYTHON, *chaos, env={**database, "CHAOS": "1"}, external=True)


@nox.session(venv_backend="none")
def demo(session: nox.Session) -> None:
    """The demo, to its end."""
    make(session, "demo", "ONCE=1")
