"""The versions of the login stacks that the documentation names are those that are tested."""

from __future__ import annotations

import re

from .sites import pages

PIN = re.compile(r"^([\w-]+)(?:\[[\w,-]+\])?==([\w.]+)", re.MULTILINE)


def pins(*names: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        found |= PIN.findall((pages.ROOT / f"{name}.txt").read_text())
    return found


def test_oldest_and_newest() -> None:
    rows = re.findall(
        r"^\| ([\w-]+) \| ([\d.]+) \| ([\d.]+) \|$",
        pages.sections(pages.INTEGRATION)["Versions"],
        re.MULTILINE,
    )
    newest = pins("requirements", "requirements-dev", "requirements-stacks")

    assert {name: old for name, old, _ in rows} == pins("requirements-stacks-oldest")
    assert all(newest[name] == new for name, _, new in rows)
    assert {*pins("requirements-stacks")} <= {name for name, _, _ in rows}
