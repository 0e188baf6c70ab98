"""The admin's main path in a real Chromium: log in, find, revoke, end, read the audit."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from selenium.webdriver.common.by import By

from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, TokenEvent
from tests.browsing import Staff
from tests.conftest import PASSWORD
from tests.convai_tokens.admin.rows import SESSIONS, TOKENS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


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
