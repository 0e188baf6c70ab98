"""The admin's main path in a real Chromium: log in, find, revoke, end, read the audit."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, TokenEvent

from .admin_rows import SESSIONS, TOKENS
from .conftest import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
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


def find(*names: str) -> str | None:
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """A Chromium of its own for each test. Without one: a failure in CI, a skip elsewhere."""
    program, driver = find("chromium", "chromium-browser", "google-chrome"), find("chromedriver")
    if program is None or driver is None:
        missing = "No Chromium with chromedriver was found."
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in [*ARGUMENTS, f"--user-data-dir={tmp_path}"]:
        options.add_argument(argument)
    # An explicit path: selenium's manager would look for a driver to download.
    chrome = webdriver.Chrome(options=options, service=Service(executable_path=driver))
    yield chrome
    chrome.quit()


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


@pytest.fixture
def staff(browser: webdriver.Chrome, live_server: Any) -> Staff:
    return Staff(browser, live_server.url)


def test_an_administrator_revokes_a_token_and_ends_a_session(
    staff: Staff, convai: Any, learner: Any, make_user: Any, log_in: Any
) -> None:
    get_user_model().objects.create_superuser("administrator", password=PASSWORD)
    make_user("bystander")
    value = log_in().json()["convai"]["apiAuthToken"]
    token = ConvaiToken.objects.get()

    staff.log_in("administrator")
    staff.open(TOKENS)
    staff.search(token.fingerprint)
    assert len(staff.rows()) == 1
    assert re.search(r"learner\s+active\s+\d:\d\d:\d\d", staff.rows()[0])
    staff.choose("Revoke selected tokens")
    assert "Revoke the selected Convai tokens?" in staff.text()
    assert "1 Convai token is affected." in staff.text()
    assert convai.live() == [value]
    staff.click(".cancel-link")
    assert staff.browser.current_url.endswith(f"?q={token.fingerprint}")
    assert convai.live() == [value]
    staff.choose("Revoke selected tokens")
    staff.click("#content form [type=submit]")
    assert staff.text(".messagelist") == "1 token is being revoked."
    assert convai.live() == []
    assert "revoked" in staff.rows()[0]

    staff.click("#result_list tbody th a")
    events = staff.text("#events-group")
    assert re.search(r"generated.*revocation owed\s+administrator.*\srevoked", events, re.DOTALL)
    staff.click(".field-session a")
    assert "learner, session" in staff.text()
    assert "revoked" in staff.text("#tokens-group")

    staff.open(SESSIONS)
    staff.choose("End selected sessions")
    assert "End the selected learner sessions?" in staff.text()
    staff.click("#content form [type=submit]")
    assert staff.text(".messagelist") == "1 learner session was ended."
    assert "Ended by staff" in staff.rows()[0]
    assert LearnerSession.objects.get().end_reason == EndReason.STAFF
    actors = TokenEvent.objects.filter(actor__username="administrator")
    assert list(actors.order_by("pk").values_list("kind", flat=True)) == ["owed", "session_ended"]

    staff.click("#result_list tbody th a")
    staff.click(".historylink")
    assert "Ended the learner session." in staff.text()
    assert token.fingerprint in staff.seen
    assert value not in staff.seen


def test_an_auditor_reads_and_finds_nothing_to_press(
    staff: Staff, convai: Any, learner: Any, make_user: Any, log_in: Any
) -> None:
    auditor = make_user("auditor", is_staff=True)
    auditor.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label="convai_tokens", codename__startswith="view_"
        )
    )
    value = log_in().json()["convai"]["apiAuthToken"]

    staff.log_in("auditor")
    for path in [SESSIONS, TOKENS]:
        staff.open(path)
        assert len(staff.rows()) == 1
        assert staff.browser.find_elements(By.NAME, "action") == []
        staff.click("#result_list tbody th a")
        assert "generated" in staff.text("#events-group")
        pressable = "#content select, #content textarea, #content [type=submit], .deletelink"
        assert staff.browser.find_elements(By.CSS_SELECTOR, pressable) == []
    assert value not in staff.seen
    assert convai.live() == [value]
