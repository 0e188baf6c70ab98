"""axe-core, run on the page that a browser shows."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from selenium import webdriver

RUN = """
const done = arguments[arguments.length - 1];
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
const where = found => found.nodes.map(node => node.target.join(" ")).join(", ");
axe.run(document, {resultTypes: ["violations"], runOnly: rules}).then(
    found => done(found.violations.map(it => `${it.id}: ${it.help} ${where(it)}`)),
    error => done([String(error)]),
);
"""


@cache
def _source() -> str:
    """Return the JavaScript; the package that brings it needs another browser's driver."""
    spec = find_spec("axe_playwright_python")
    assert spec is not None, "pip install --no-deps -r requirements-axe.txt"
    assert spec.origin is not None
    return (Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def violations(browser: webdriver.Chrome) -> list[str]:
    """Return what axe-core finds on the page: the rule, what it asks for, and where."""
    # By the driver, since a content security policy lets no script of ours into the page.
    browser.execute_script(_source())
    found: Any = browser.execute_async_script(RUN)
    return list(found)
