"""Takes the README's picture of the admin again, after a change of the page:

    python -m pytest tests/convai_tokens/admin/screenshots.py

No suite collects a file of this name: each run changes the picture.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from convai_tokens.models import ConvaiToken, EndReason, TokenStatus
from convai_tokens.models.moments import utc_now
from tests.browsing import Staff
from tests.conftest import PASSWORD
from tests.convai_tokens.admin.rows import TOKENS, make_session, make_token

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
IMAGES = Path(__file__).parents[3] / "docs" / "images"
PICTURE_WIDTH = 1280
WIDTH, HEIGHT = 1440, 860  # of the window: all columns and rows fit
MAX_BYTES = 150_000


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
        token = make_token(
            make_session(username, stack=stack, device=device, end_reason=reason or ""),
            f"token of {username}, {minutes} minutes ago",
            status=status,
            expires_at=None if status == TokenStatus.FAILED else started + timedelta(hours=1),
            owed_since=now - timedelta(minutes=1) if status == TokenStatus.REVOKING else None,
        )
        ConvaiToken.objects.filter(pk=token.pk).update(generated_at=started)
        if status == TokenStatus.FAILED:
            ConvaiToken.objects.filter(pk=token.pk).update(fingerprint="", sealed="")


def test_the_picture_of_the_token_list_is_taken(staff: Staff) -> None:
    get_user_model().objects.create_superuser("administrator", password=PASSWORD)
    a_mornings_tokens()
    picture = IMAGES / "admin-tokens.png"
    scale = {"deviceScaleFactor": PICTURE_WIDTH / WIDTH, "mobile": False}
    staff.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": WIDTH, "height": HEIGHT, **scale}
    )
    staff.browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    staff.log_in("administrator")
    # All columns fit only while the list of apps is folded.
    staff.browser.execute_script("localStorage['django.admin.navSidebarIsOpen'] = 'false'")

    staff.open(TOKENS)
    IMAGES.mkdir(exist_ok=True)
    staff.browser.save_screenshot(str(picture))

    assert picture.stat().st_size < MAX_BYTES
