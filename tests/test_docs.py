"""The documentation's tables say what the code says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from convai_tokens.conf import table
from convai_tokens.exceptions import ErrorCode

ROOT = Path(__file__).resolve().parents[1]


def read(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def test_the_table_of_settings_is_the_declared_one() -> None:
    assert table() in read("settings.md")


def test_the_tables_of_codes_have_each_code_once() -> None:
    section = read("errors.md").partition("\n## Codes\n")[2].partition("\n## ")[0]

    # In the order of what a client does, which isn't the code's.
    listed = re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE)
    assert sorted(listed) == sorted(ErrorCode)


def test_the_table_of_checks_has_each_id_once() -> None:
    sources = [*(ROOT / "convai_tokens" / "conf").glob("*.py")]
    sources += (ROOT / "convai_tokens" / "checks").glob("*.py")
    given = {
        found
        for source in sources
        for found in re.findall(r"\"(?:convai_tokens\.)?([EW]\d{3})\"", source.read_text())
    }
    listed = re.findall(r"^\| `convai_tokens\.(\w+)`", read("checks.md"), flags=re.MULTILINE)

    assert sorted(listed) == sorted(given)


def test_every_link_within_the_project_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    targets = [
        (page, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
    ]
    # The README is read on a package index too, so that its links are absolute.
    source = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"]
    ours = re.compile(re.escape(source) + r"/(?:blob|raw)/main/(.+)")
    paths = [
        ROOT / found[1] if (found := ours.fullmatch(target)) else page.parent / target
        for page, target in targets
        if "://" not in target or ours.fullmatch(target)
    ]

    assert len(paths) > 50
    assert [path for path in paths if not path.exists()] == []


@pytest.mark.parametrize(("page", "least"), [("security.md", 80), ("sites.md", 25)])
def test_each_test_that_a_page_names_is_there(page: str, least: int) -> None:
    named = set(re.findall(r"`(test_\w+)`", read(page)))
    written = {
        found
        for path in (ROOT / "tests").rglob("*.py")
        for found in re.findall(r"^def (test_\w+)", path.read_text(), flags=re.MULTILINE)
    }

    assert len(named) > least
    assert named - written == set()


def test_each_threat_has_a_test() -> None:
    threats = read("security.md").partition("\n## Threats\n")[2].partition("\n## ")[0]
    rows = [line for line in threats.splitlines() if line.startswith("| ") and "threat" not in line]

    assert [row for row in rows if "`test_" not in row] == []


def test_the_session_and_token_requirements_of_asvs_are_all_walked_through() -> None:
    listed = re.findall(r"^\| (\d+\.\d+\.\d+) \|", read("security.md"), flags=re.MULTILINE)
    sections = {"7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2, "9.1": 3, "9.2": 4}

    assert len(listed) == len(set(listed))
    for section, count in sections.items():
        expected = [f"{section}.{number}" for number in range(1, count + 1)]
        assert [it for it in listed if it.startswith(f"{section}.")] == expected
