"""A Chromium, and the staff member in front of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.conftest import PASSWORD

SECONDS = 20
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
]


def _find(*names: str) -> str | None:
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A Chromium that notes what its console says. Without one: a failure in CI, else a skip."""
    program, driver = _find("chromium", "chromium-browser", "google-chrome"), _find("chromedriver")
    if program is None or driver is None:
        missing = "No Chromium with chromedriver was found."
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in [*ARGUMENTS, f"--user-data-dir={profile}"]:
        options.add_argument(argument)
    # An explicit path: selenium's manager would look for a driver to download.
    browser = webdriver.Chrome(options=options, service=Service(executable_path=driver))
    try:
        yield browser
    finally:
        browser.quit()


class Staff:
    """A staff member in front of the browser."""

    def __init__(self, browser: webdriver.Chrome, address: str) -> None:
        self.browser, self.address = browser, address
        self.seen = ""

    def open(self, path: str) -> None:
        self.browser.get(self.address + path)
        self.seen += self.browser.page_source

    def log_in(self, username: str) -> None:
        self.open("/admin/login/?next=/admin/")
        self.browser.find_element(By.NAME, "username").send_keys(username)
        self.browser.find_element(By.NAME, "password").send_keys(PASSWORD)
        self.click("#login-form [type=submit]")

    def click(self, selector: str) -> None:
        """Click what leads to another page, and wait until that is there."""
        self.browser.execute_script("window.isOld = true")
        self.browser.find_element(By.CSS_SELECTOR, selector).click()
        # Between two pages the driver has several words for there being none.
        wait = WebDriverWait(self.browser, SECONDS, ignored_exceptions=[WebDriverException])
        arrived = "return !window.isOld && document.readyState === 'complete'"
        wait.until(lambda shown: shown.execute_script(arrived))
        self.seen += self.browser.page_source

    def search(self, term: str) -> None:
        self.browser.find_element(By.ID, "searchbar").send_keys(term)
        self.click("#changelist-search [type=submit]")

    def choose(self, action: str) -> None:
        """Tick the first row, and run the action on it."""
        self.browser.find_element(By.CSS_SELECTOR, "#result_list .action-select").click()
        Select(self.browser.find_element(By.NAME, "action")).select_by_visible_text(action)
        self.click("button[name=index]")

    def text(self, selector: str = "#content") -> str:
        return self.browser.find_element(By.CSS_SELECTOR, selector).text

    def rows(self) -> list[str]:
        found = self.browser.find_elements(By.CSS_SELECTOR, "#result_list tbody tr")
        return [row.text for row in found]
