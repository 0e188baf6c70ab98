"""The rows of the admin's tests, the staff members, and their browsers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from selenium import webdriver

from convai_tokens.models import EndReason, TokenEvent, TokenStatus
from convai_tokens.models.moments import utc_now
from tests.browsing import Staff, chromium
from tests.convai_tokens.admin.rows import (
    EVENTS,
    SESSIONS,
    TOKENS,
    VIEWS,
    make_session,
    make_token,
    staff_client,
)


@pytest.fixture
def administrator(db: None) -> Client:
    return staff_client("administrator", is_superuser=True)


@pytest.fixture
def auditor(db: None) -> Client:
    return staff_client("auditor", *VIEWS)


@pytest.fixture
def pages(db: None) -> list[str]:
    """The page of a session, of its token, and of one of its events."""
    token = make_token()
    event = TokenEvent.objects.latest("pk")
    return [
        f"{SESSIONS}{token.session_id}/change/",
        f"{TOKENS}{token.pk}/change/",
        f"{EVENTS}{event.pk}/change/",
    ]


@pytest.fixture
def revoker(db: None) -> Client:
    return staff_client("revoker", *VIEWS, "revoke_convaitoken")


@pytest.fixture
def ender(db: None) -> Client:
    return staff_client("ender", *VIEWS, "end_learnersession")


@pytest.fixture
def three_tokens(db: None) -> None:
    """Two tokens of an open session, and an owed one of another learner's, who has logged out."""
    session = make_session()
    make_token(session, "one")
    make_token(session, "two")
    ended = make_session(
        "learner-2", stack="session", ended_at=utc_now(), end_reason=EndReason.LOGOUT
    )
    make_token(ended, "three", status=TokenStatus.REVOKING)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """A Chromium of its own for each test."""
    with chromium(tmp_path) as shown:
        yield shown


@pytest.fixture
def staff(browser: webdriver.Chrome, live_server: Any) -> Staff:
    return Staff(browser, live_server.url)
