"""What is said twice about the project is the same in both places."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from nox import registry

import noxfile

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))


def read(path: str) -> str:
    return (ROOT / path).read_text()


def classified(prefix: str) -> set[str]:
    """Return the versions (5.2, 3.11) of the classifiers that begin with this."""
    found = (classifier.partition(f"{prefix} :: ")[2] for classifier in PROJECT["classifiers"])
    return {version for version in found if re.fullmatch(r"\d+\.\d+", version)}


def sessions() -> set[str]:
    """Return the names of nox's sessions, as ``nox -s`` takes them."""
    names = set()
    for name, session in registry.get().items():
        pythons = session.python if isinstance(session.python, list) else [""]
        names |= {f"{name}-{python}".rstrip("-") for python in pythons}
    return names


def test_the_version_is_a_text_that_needs_no_django_to_be_read() -> None:
    statements = ast.parse(read("convai_tokens/__init__.py")).body
    version = [ast.unparse(line) for line in statements if isinstance(line, ast.Assign)]

    assert PROJECT["dynamic"] == ["version"]
    assert re.fullmatch(r"__version__ = '\d+\.\d+\.\d+'", version[0])
    assert not any(isinstance(line, ast.Import | ast.ImportFrom) for line in statements)


def test_the_suite_runs_on_every_python_and_django_that_is_promised() -> None:
    pinned = re.findall(r"^Django==(\d+\.\d+)", read("requirements.txt"), re.MULTILINE)
    pythons = {name.partition("tests-")[2] for name in sessions()} - {""}

    assert pythons == classified("Programming Language :: Python")
    assert set(pinned) == classified("Framework :: Django")
    assert len(pinned) == len(pythons)
    assert noxfile.lowest.python == PROJECT["requires-python"].removeprefix(">=")


def test_the_code_host_runs_every_session() -> None:
    matrix = re.findall(r"- session: (\S+)", read(".github/workflows/ci.yml"))

    assert sorted(matrix) == sorted(sessions())


def test_a_commit_is_formatted_by_the_ruff_that_ci_has() -> None:
    (pinned,) = re.findall(r"^ruff==(\S+)", read("requirements-dev.txt"), re.MULTILINE)

    assert f"rev: v{pinned} " in read(".pre-commit-config.yaml")


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_pinned_by_version_alone(path: Path) -> None:
    lines = path.read_text().splitlines()
    lines = [line.partition("#")[0].partition(";")[0].strip() for line in lines]

    for line in filter(None, lines):
        assert re.fullmatch(r"-r requirements[a-z-]*\.txt|[\w.\[\],-]+==[\w.]+", line), line


def test_what_contributing_names_is_there() -> None:
    text = read("CONTRIBUTING.md")
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))

    for target in re.findall(r"\bmake ([a-z-]+)", text):
        assert target in targets, target
    for session in re.findall(r"\bnox -s ([a-z0-9.-]+)", text):
        assert session in sessions(), session
    for path in re.findall(r"`([a-z_.]+/[\w./-]*|[A-Z]+\.md)`|\]\(([^)#:]+)\)", text):
        assert (ROOT / "".join(path)).exists(), path
