"""The filters: what they offer, by which lookups, and what isn't a value of theirs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import Client, RequestFactory, override_settings

from convai_tokens.admin.filters import STAFF, conditions_of
from convai_tokens.lifecycle.audit import record
from convai_tokens.models import ConvaiToken, EventKind, LearnerSession
from tests.convai_tokens.admin.rows import (
    EVENTS,
    SESSIONS,
    TOKENS,
    listed,
    make_session,
    make_token,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "address",
    [
        f"{SESSIONS}?state=nonsense",
        f"{TOKENS}?from=yesterday",
        f"{EVENTS}?kind=x",
        f"{EVENTS}?by=9",
    ],
)
def test_what_is_not_offered_is_no_filter(auditor: Client, address: str) -> None:
    response = auditor.get(address)

    assert response.status_code == 302
    assert response.headers["Location"].endswith("?e=1")


@override_settings(TIME_ZONE="Europe/Berlin")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("from=2026-07-01", 2),
        ("to=2026-07-01", 2),
        ("from=2026-07-01&to=2026-07-01", 1),
        ("from=2026-07-02&to=2026-07-01", 0),
        ("from=&to=", 3),
    ],
)
def test_days_are_those_of_the_sites_zone_and_both_count(
    auditor: Client, query: str, found: int
) -> None:
    for hour in (21, 23):  # before and after midnight in Berlin
        make_session(started_at=datetime(2026, 6, 30, hour, tzinfo=UTC))
    make_session(started_at=datetime(2026, 7, 1, 23, tzinfo=UTC))

    assert len(listed(auditor.get(f"{SESSIONS}?{query}"))) == found


def test_the_days_keep_the_other_filters_and_the_search(auditor: Client) -> None:
    make_session()

    content = auditor.get(f"{SESSIONS}?state=open&q=learner").content.decode()

    days = content.split('class="convai-days"')[1].split("</form>")[0]
    assert '<input type="hidden" name="state" value="open">' in days
    assert '<input type="hidden" name="q" value="learner">' in days


def test_events_are_filtered_by_who_did_them(auditor: Client, make_user: Any) -> None:
    session = make_session()
    for name in ("staff-1", "staff-2"):
        record(EventKind.OWED, session.pk, actor=make_user(name))
    first = get_user_model().objects.get(username="staff-1")

    assert len(listed(auditor.get(f"{EVENTS}?by=staff"))) == 2
    assert len(listed(auditor.get(f"{EVENTS}?by={first.pk}"))) == 1
    assert f'?by={first.pk}"' in auditor.get(EVENTS).content.decode()


def test_so_many_of_the_staff_are_offered_by_name_and_no_more(
    auditor: Client, make_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_tokens.admin.filters.STAFF", 2)
    assert STAFF > 2
    for number in range(4):
        record(EventKind.EXPORTED, actor=make_user(f"staff-{number}"))

    assert auditor.get(EVENTS).content.decode().count("?by=") == 3


@pytest.mark.parametrize(
    ("model", "query", "conditions"),
    [
        (LearnerSession, "state=open", {"end_reason": "", "ended_at": None}),
        (
            LearnerSession,
            "stack__exact=knox&state=staff",
            {"stack__exact": "knox", "end_reason": "staff"},
        ),
        (ConvaiToken, "state=owed", {"status": "revoking"}),
        (
            ConvaiToken,
            "from=2026-07-01",
            {"generated_at__gte": datetime(2026, 7, 1, tzinfo=UTC)},
        ),
    ],
)
@override_settings(TIME_ZONE="UTC")
def test_all_that_a_list_is_filtered_by_is_told_as_lookups(
    model: Any, query: str, conditions: dict[str, Any]
) -> None:
    make_token()
    request: Any = RequestFactory().get(f"/?{query}")
    request.user = get_user_model().objects.create_superuser("administrator")
    page = admin.site.get_model_admin(model)

    changelist = page.get_changelist_instance(request)

    assert conditions_of(changelist, request) == conditions
    shown = {row.pk for row in changelist.get_queryset(request)}
    assert {row.pk for row in model.objects.filter(**conditions)} == shown
