"""Takes the documentation's pictures of the admin again, after a change of a page:

    python -m pytest tests/convai_tokens/admin/screenshots.py

No suite collects a file of this name: each run changes the pictures.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from convai_tokens.lifecycle.audit import event, record_all
from convai_tokens.lifecycle.orders import order
from convai_tokens.lifecycle.processes import note_pass
from convai_tokens.models import (
    ConvaiToken,
    EndReason,
    EventCount,
    EventKind,
    LearnerSession,
    OrderKind,
    StaffOrder,
    TokenEvent,
    TokenStatus,
)
from convai_tokens.models.moments import utc_now
from tests.browsing import Staff
from tests.conftest import PASSWORD
from tests.convai_tokens.admin.rows import ADMIN, EVENTS, SESSIONS, TOKENS, make_session, make_token

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
IMAGES = Path(__file__).parents[3] / "docs" / "images"
MAX_BYTES = 250_000
OVERVIEW, STORY = SESSIONS + "overview/", SESSIONS + "story/"


def a_mornings_tokens() -> None:
    """Add tokens of several learners, one for each way that they usually go."""
    now = utc_now()
    kinds: list[tuple[int, str, str, str, TokenStatus, EndReason | None]] = [
        (95, "learner-1", "knox", "headset-1", TokenStatus.REVOKED, EndReason.LOGOUT),
        (80, "learner-2", "knox", "headset-2", TokenStatus.REVOKED, EndReason.REPLACED),
        (74, "learner-3", "session", "", TokenStatus.EXPIRED, None),
        (52, "learner-4", "knox", "headset-1", TokenStatus.REVOKED, EndReason.LOGOUT),
        (47, "learner-5", "session", "", TokenStatus.REVOKING, EndReason.PASSWORD_CHANGED),
        (31, "learner-6", "knox", "headset-3", TokenStatus.GONE, EndReason.STAFF),
        (22, "learner-1", "knox", "headset-2", TokenStatus.ACTIVE, None),
        (15, "learner-7", "session", "", TokenStatus.FAILED, None),
        (14, "learner-7", "session", "", TokenStatus.ACTIVE, None),
        (3, "learner-8", "knox", "headset-1", TokenStatus.ACTIVE, None),
    ]
    for minutes, username, stack, device, status, reason in kinds:
        started = now - timedelta(minutes=minutes, seconds=minutes * 7 % 60)
        ended = started + timedelta(minutes=2) if reason else None
        session = make_session(
            username,
            stack=stack,
            device=device,
            end_reason=reason or "",
            ended_at=ended,
            started_at=started,
        )
        token = make_token(
            session,
            f"token of {username}, {minutes} minutes ago",
            status=status,
            expires_at=None if status == TokenStatus.FAILED else started + timedelta(hours=1),
            owed_since=now - timedelta(minutes=1) if status == TokenStatus.REVOKING else None,
            last_error="convai_timeout: Convai did not answer in time."
            if status in (TokenStatus.REVOKING, TokenStatus.FAILED)
            else "",
        )
        ConvaiToken.objects.filter(pk=token.pk).update(generated_at=started)
        if status == TokenStatus.FAILED:
            ConvaiToken.objects.filter(pk=token.pk).update(fingerprint="", sealed="")
        tell(session, token, status, reason)


def tell(session: LearnerSession, token: ConvaiToken, status: str, reason: str | None) -> None:
    """Add the events that the lifecycle would have left."""
    steps: list[tuple[float, EventKind, str]] = [(0, EventKind.SESSION_STARTED, "")]
    if status == TokenStatus.FAILED:
        steps.append((3, EventKind.FAILED, token.last_error))
    else:
        steps.append((0.4, EventKind.GENERATED, ""))
    if reason:
        steps += [
            (120, EventKind.SESSION_ENDED, reason),
            (120, EventKind.OWED, f"Session ended: {reason}"),
        ]
    if status in (TokenStatus.REVOKED, TokenStatus.GONE):
        steps.append((120.3, EventKind(status), ""))
    TokenEvent.objects.filter(session=session).purge()
    events = []
    for seconds, kind, detail in steps:
        of_token = None if kind in ("session_started", "session_ended") else token.pk
        told = event(kind, session.pk, of_token, detail)
        told.at = session.started_at + timedelta(seconds=seconds)
        events.append(told)
    record_all(events)


def two_days_of_counts() -> None:
    """Add what the sweep would have counted on a school's days."""
    now = utc_now().replace(minute=0, second=0, microsecond=0)
    rows = []
    for back in range(24 * 90):
        hour = now - timedelta(hours=back)
        busy = max(0, 9 - abs(hour.hour - 11)) * (hour.weekday() < 5)
        many = busy * (30 + hour.day % 7 * 4)
        failed = many // 3 if back in range(26, 29) else busy // 5
        for kind, count in (("generated", many), ("revoked", many * 9 // 10), ("failed", failed)):
            rows.append(EventCount(hour=hour, kind=kind, count=count))
    EventCount.objects.bulk_create([row for row in rows if row.count])


@pytest.fixture
def administrator(staff: Staff) -> Staff:
    user = get_user_model().objects.create_superuser("administrator", password=PASSWORD)
    a_mornings_tokens()
    two_days_of_counts()
    note_pass(0)
    order(OrderKind.END, {"stack": "knox"}, 2400, user)
    StaffOrder.objects.update(done=1500)
    staff.browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    staff.log_in("administrator")
    staff.browser.execute_script("localStorage['django.admin.navSidebarIsOpen'] = 'false'")
    return staff


def take(
    staff: Staff, name: str, width: int = 1366, height: int = 768, theme: str = "light"
) -> None:
    """Save the page that is open as a picture of this size."""
    staff.browser.execute_script(f"localStorage['theme'] = '{theme}'")
    size: dict[str, Any] = {"width": width, "height": height, "deviceScaleFactor": 1}
    staff.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {**size, "mobile": width < 500}
    )
    staff.browser.refresh()
    IMAGES.mkdir(exist_ok=True)
    picture = IMAGES / f"{name}.png"
    staff.browser.save_screenshot(str(picture))
    assert picture.stat().st_size < MAX_BYTES


def test_the_pictures_are_taken(administrator: Staff) -> None:
    administrator.open(OVERVIEW)
    take(administrator, "admin-overview", height=1150)
    take(administrator, "admin-overview-dark", height=1150, theme="dark")
    take(administrator, "admin-overview-narrow", 390, 844)
    administrator.open(TOKENS)
    take(administrator, "admin-tokens")
    take(administrator, "admin-tokens-narrow", 390, 844)
    administrator.open(SESSIONS)
    take(administrator, "admin-sessions")
    administrator.open(EVENTS)
    take(administrator, "admin-events", theme="dark")
    learner = get_user_model().objects.get(username="learner-1")
    administrator.open(f"{STORY}?user={learner.pk}")
    take(administrator, "admin-story")
    session = LearnerSession.objects.filter(username="learner-1").latest("started_at")
    administrator.open(f"{SESSIONS}{session.pk}/change/")
    take(administrator, "admin-session", height=900)
    administrator.open(ADMIN)
    take(administrator, "admin-index", height=500)
