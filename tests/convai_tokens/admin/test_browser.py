"""The admin's main paths in a real Chromium: find, revoke, end, read; and by whom."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from selenium.webdriver.common.by import By

from convai_tokens.lifecycle.orders import order
from convai_tokens.lifecycle.processes import note_pass
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, OrderKind, TokenEvent
from tests.accessibility import violations
from tests.browsing import Staff
from tests.conftest import PASSWORD
from tests.convai_tokens.admin.rows import ADMIN, EVENTS, LISTS, SESSIONS, TOKENS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OVERVIEW = SESSIONS + "overview/"


@pytest.fixture
def auditor(staff: Staff, make_user: Any) -> Staff:
    """A staff member who may see all, and do nothing."""
    auditor = make_user("auditor", is_staff=True)
    auditor.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label="convai_tokens", codename__startswith="view_"
        )
    )
    staff.log_in("auditor")
    return staff


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
    assert "fingerprints: 1 token" in staff.text()
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
    events = staff.text("#tokenevent-table")
    owed_by = r"generated.*revocation owed\s+\w+\s+administrator.*\srevoked"
    assert re.search(owed_by, events, re.DOTALL)
    staff.click(".fieldBox.field-its_session a")
    assert "learner, session" in staff.text()
    assert "revoked" in staff.text("#convaitoken-table")

    staff.click(".convai-end_selected")
    assert "End the selected learner sessions?" in staff.text()
    staff.click("#content form [type=submit]")
    assert staff.text(".messagelist") == "1 learner session was ended."
    assert "Ended by staff" in staff.text()
    assert LearnerSession.objects.get().end_reason == EndReason.STAFF
    actors = TokenEvent.objects.filter(actor__username="administrator")
    assert list(actors.order_by("pk").values_list("kind", flat=True)) == ["owed", "session_ended"]

    staff.click(".historylink")
    assert "Ended the learner session." in staff.text()
    assert token.fingerprint in staff.seen
    assert value not in staff.seen


def test_an_auditor_reads_and_finds_nothing_to_press(
    auditor: Staff, convai: Any, learner: Any, log_in: Any
) -> None:
    value = log_in().json()["convai"]["apiAuthToken"]

    for path in [SESSIONS, TOKENS]:
        auditor.open(path)
        assert len(auditor.rows()) == 1
        assert auditor.browser.find_elements(By.NAME, "action") == []
        assert "Export" not in auditor.text()
        auditor.click("#result_list tbody th a")
        assert "generated" in auditor.text("#tokenevent-table")
        pressable = "#content select, #content textarea, #content [type=submit], .deletelink"
        assert auditor.browser.find_elements(By.CSS_SELECTOR, pressable) == []
    auditor.open(f"{TOKENS}export/csv/")
    assert "403 Forbidden" in auditor.browser.page_source
    assert value not in auditor.seen
    assert convai.live() == [value]


def test_the_six_questions_are_answered_with_two_clicks_each(
    auditor: Staff, convai: Any, learner: Any, make_user: Any, log_in: Any
) -> None:
    get_user_model().objects.filter(pk=learner.pk).update(first_name="Anna")
    log_in(device="Ward 3")
    make_user("bystander")
    convai.set(faults={"503": 1})
    log_in(username="bystander", client=Client())
    convai.set(faults={})
    administrator = get_user_model().objects.create_superuser("administrator", password=PASSWORD)
    token = ConvaiToken.objects.get(status="active")
    order(OrderKind.END, {"stack": "none"}, 0, administrator)
    sweep(workers=1)

    # Does it work right now? Is the sweep alive?
    auditor.open(ADMIN)
    auditor.click(f"#content a[href='{OVERVIEW}']")
    assert "Convai tokens work, but something needs attention." in auditor.text()
    assert "1 tokens were given, 1 failed" in auditor.text()
    assert "The sweep last came to its end" in auditor.text()
    # Who holds a live token?
    auditor.click("a[href$='?state=live']")
    assert len(auditor.rows()) == 1
    assert "learner" in auditor.rows()[0]
    assert token.fingerprint in auditor.rows()[0]
    # What happened to this learner?
    auditor.click("#result_list .field-learner a")
    assert "login at Ward 3 (session), token generated" in auditor.text()
    # What is still owed, and why?
    auditor.open(OVERVIEW)
    auditor.click("a[href$='?state=owed']")
    assert auditor.rows() == []
    # Who on the staff did what?
    auditor.open(EVENTS)
    auditor.click("a[href='?by=staff']")
    assert len(auditor.rows()) == 1
    assert "administrator" in auditor.rows()[0]
    # And a person is found by the name that people know.
    auditor.search("Anna")
    assert auditor.rows() == []
    auditor.open(SESSIONS)
    auditor.search("Anna")
    assert len(auditor.rows()) == 1


@pytest.mark.parametrize(("width", "theme"), [(1366, "light"), (1366, "dark"), (390, "light")])
def test_nothing_stands_in_the_way_of_somebody_who_cannot_see(
    staff: Staff, convai: Any, learner: Any, log_in: Any, width: int, theme: str
) -> None:
    get_user_model().objects.create_superuser("administrator", password=PASSWORD)
    log_in()
    note_pass(0)
    token = ConvaiToken.objects.get()
    event = TokenEvent.objects.latest("pk")
    staff.browser.set_window_size(width, 900)
    staff.log_in("administrator")
    staff.browser.execute_script(f"localStorage['theme'] = '{theme}'")
    pages = [
        ADMIN,
        *LISTS,
        f"{SESSIONS}?q=learner&state=open",
        OVERVIEW,
        f"{SESSIONS}story/?user={learner.pk}",
        f"{SESSIONS}{token.session_id}/change/",
        f"{TOKENS}{token.pk}/change/",
        f"{EVENTS}{event.pk}/change/",
    ]
    found = {}
    for page in pages:
        staff.open(page)
        found[page] = violations(staff.browser)
    staff.open(SESSIONS)
    staff.choose("End selected sessions")
    found["confirmation"] = violations(staff.browser)

    assert {page: what for page, what in found.items() if what} == {}


def test_a_german_administrator_reads_german(
    staff: Staff, convai: Any, learner: Any, log_in: Any, settings: Any
) -> None:
    settings.LANGUAGE_CODE = "de"
    get_user_model().objects.create_superuser("administrator", password=PASSWORD)
    log_in(device="Station 3")
    note_pass(0)
    staff.log_in("administrator")

    staff.open(OVERVIEW)
    assert "Convai-Tokens funktionieren." in staff.text()
    assert "1 lebendes Token, gehalten von 1 Sitzung." in staff.text()
    assert violations(staff.browser) == []
    staff.click("a[href$='?state=live']")
    assert "Station 3 · session" in staff.rows()[0]
    staff.click("#result_list .field-learner a")
    assert "Anmeldung an Station 3 (session), Token erzeugt" in staff.text()
    staff.open(SESSIONS)
    staff.choose("Ausgewählte Sitzungen beenden")
    assert "Die ausgewählten Lernsitzungen beenden?" in staff.text()
    staff.click("#content form [type=submit]")
    assert staff.text(".messagelist") == "1 Lernsitzung wurde beendet."
    assert "Vom Personal beendet" in staff.rows()[0]
