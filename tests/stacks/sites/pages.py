"""Reads the lines that a page tells its reader to add to a site: each block names its file."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
INTEGRATION = ROOT / "docs/integration.md"
QUICKSTARTS = ROOT / "tests/stacks/quickstarts.md"
BLOCK = re.compile(r"^```python\n# (lms/\w+\.py)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

Lines = list[tuple[str, str]]  # a file of the site, and what is added at its end


def sections(page: Path) -> dict[str, str]:
    """Return the page's text below each heading of the second level."""
    _, *parts = re.split(r"^## (.*)$", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def added(page: Path, section: str) -> Lines:
    """Return what the section tells its reader to add, in order."""
    return [(file, text) for file, text in BLOCK.findall(sections(page)[section])]


def count(lines: Lines) -> int:
    """Return how many lines of code these are."""
    return sum(1 for _, text in lines for line in text.splitlines() if line.strip())
