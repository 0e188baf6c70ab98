"""How values are shown: with their zone, shortened, and linked for those who may follow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import override_settings

from convai_tokens.admin.shown import BADGES, badge, page_of, period, place, short, state_of, when
from convai_tokens.models import EndReason, LearnerSession, TokenStatus
from tests.convai_tokens.admin.rows import VIEWS, make_session, staff_client

AT = datetime(2026, 7, 1, 10, 42, 7, tzinfo=UTC)


@pytest.fixture
def page() -> Any:
    return admin.site.get_model_admin(LearnerSession)


@override_settings(TIME_ZONE="Europe/Berlin")
def test_a_time_is_shown_in_the_sites_zone_which_it_names() -> None:
    shown = when(AT)

    assert "2026-07-01</span>" in shown
    assert "12:42:07 CEST" in shown
    assert 'datetime="2026-07-01T12:42:07+02:00"' in shown


def test_a_time_without_a_zone_is_shown_as_it_is() -> None:
    assert "10:42:07 </span>" in when(AT.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.31, "0.3 s"), (9.96, "10.0 s"), (40, "40 s"), (720, "12 min"), (18_000, "5 h")],
)
def test_a_period_is_told_in_words(seconds: float, words: str) -> None:
    assert period(timedelta(seconds=seconds)) == words
    assert period(timedelta(days=3)) == "3 days"


def test_a_long_name_is_shortened_and_shown_whole_where_the_pointer_rests() -> None:
    assert short("a name") == "a name"
    assert short("<" * 40) == f'<span title="{"&lt;" * 40}">{"&lt;" * 27}…</span>'


def test_a_badge_has_words_and_each_status_has_one() -> None:
    assert badge("<b>", "live") == '<span class="convai-badge convai-live">&lt;b&gt;</span>'
    assert BADGES.keys() == {*TokenStatus}


def test_a_place_is_the_device_and_the_login_stack() -> None:
    assert place(LearnerSession(device="Ward 3", stack="knox")) == "Ward 3 · knox"
    assert place(LearnerSession(stack="knox")) == "knox"
    assert place(None) == ""


def test_a_session_that_may_go_on_is_told_from_one_that_has_ended() -> None:
    unseen = LearnerSession(ended_at=AT, end_reason=EndReason.UNSEEN)
    ended = LearnerSession(ended_at=AT, end_reason=EndReason.LOGOUT)

    assert "convai-live" in state_of(LearnerSession())
    assert "convai-owed" in state_of(unseen)
    assert "convai-done" in state_of(ended)


@pytest.mark.django_db
def test_a_link_is_one_only_for_those_who_may_follow_it(page: Any) -> None:
    session = make_session()
    staff_client("auditor", *VIEWS)
    auditor, nobody = get_user_model().objects.get(username="auditor"), session.user

    assert page_of(page, auditor, session, "text").startswith('<a href="/admin/')
    assert page_of(page, nobody, session, "text") == "text"
    assert page_of(page, None, session, "text") == "text"
    assert page_of(page, auditor, session.user, "learner") == "learner"
    assert page_of(page, auditor, None, "") == "-"


@pytest.mark.django_db
def test_a_row_whose_page_the_site_does_not_have_is_no_link(page: Any) -> None:
    administrator = get_user_model().objects.create_superuser("administrator")
    own = type(page)(LearnerSession, admin.AdminSite("bare"))

    assert page_of(own, administrator, administrator, "text") == "text"
