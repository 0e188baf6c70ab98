"""The documentation's tables say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from convai_tokens.conf import table
from convai_tokens.exceptions import ErrorCode

ROOT = Path(__file__).resolve().parents[1]


def read(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def test_the_table_of_settings_is_the_declared_one() -> None:
    assert table() in read("settings.md")


def test_the_table_of_codes_has_each_code_once() -> None:
    section = read("errors.md").partition("## Codes\n")[2].partition("## ")[0]

    assert re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE) == list(ErrorCode)


def test_the_table_of_checks_has_each_id_once() -> None:
    sources = [ROOT / "convai_tokens" / "conf.py"]
    sources += (ROOT / "convai_tokens" / "checks").glob("*.py")
    given = {
        found
        for source in sources
        for found in re.findall(r"\"(?:convai_tokens\.)?([EW]\d{3})\"", source.read_text())
    }
    listed = re.findall(r"^\| `convai_tokens\.(\w+)`", read("checks.md"), flags=re.MULTILINE)

    assert sorted(listed) == sorted(given)


def test_every_link_within_the_documentation_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    broken = [
        (page.name, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert broken == []
