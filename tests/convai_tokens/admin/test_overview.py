"""The overview: who sees it, what it shows, at what cost."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from convai_tokens.admin.shown import CRUMBS
from convai_tokens.lifecycle.orders import order
from convai_tokens.lifecycle.processes import note_pass
from convai_tokens.models import OrderKind
from tests.convai_tokens.admin.rows import (
    ADMIN,
    LISTS,
    SESSIONS,
    TOKENS,
    VIEWS,
    listed,
    make_session,
    make_token,
    staff_client,
)

pytestmark = pytest.mark.django_db
OVERVIEW = SESSIONS + "overview/"


def test_it_is_one_click_away_from_the_index_and_from_every_list(auditor: Client) -> None:
    for page in (ADMIN, *LISTS):
        assert f'href="{OVERVIEW}"' in auditor.get(page).content.decode()


@pytest.mark.parametrize("missing", VIEWS)
def test_who_may_not_see_all_of_it_is_refused_and_finds_no_link(missing: str) -> None:
    client = staff_client("staff", *(name for name in VIEWS if name != missing))

    assert client.get(OVERVIEW).status_code == 403
    for page in (ADMIN, *LISTS):
        assert OVERVIEW not in client.get(page).content.decode()


def test_it_says_whether_it_works_and_who_holds_live_tokens(auditor: Client) -> None:
    note_pass(0)
    session = make_session()
    make_token(session, "one")
    make_token(session, "two")

    content = auditor.get(OVERVIEW).content.decode()

    assert "<strong>Convai tokens work.</strong>" in content
    assert "2 live tokens, held by 1 session." in content
    assert len(listed(auditor.get(f"{TOKENS}?state=live"))) == 2
    assert f'href="{TOKENS}?state=live"' in content


def test_what_is_wrong_leads_to_the_tokens_that_it_is_about(auditor: Client) -> None:
    make_token(status="revoking", last_error="seal_broken: No key opens it.")

    content = auditor.get(OVERVIEW).content.decode()

    assert f'<a href="{TOKENS}?state=owed-shut">Show them</a>' in content
    assert "What do these words mean?" in content


def test_an_order_is_shown_with_how_far_it_is(auditor: Client, make_user: Any) -> None:
    assert "Orders of staff" not in auditor.get(OVERVIEW).content.decode()
    order(OrderKind.END, {}, 2400, make_user("<teacher>"))

    content = auditor.get(OVERVIEW).content.decode()

    assert "<td>2400</td><td>0</td><td>not yet</td>" in content
    assert "&lt;teacher&gt;" in content


def test_each_chart_has_a_table_behind_it_and_words_for_those_who_cannot_see(
    auditor: Client,
) -> None:
    content = auditor.get(OVERVIEW).content.decode()

    assert content.count('role="img"') == content.count("As a table</summary>") == 6
    assert content.count(" style=") == 0  # as a strict content security policy has it


def test_it_costs_as_many_queries_for_60_tokens_as_for_one(auditor: Client) -> None:
    counts = []
    for rows in (1, 59):
        for number in range(rows):
            make_token(value=f"value-{rows}-{number}")
        auditor.get(OVERVIEW)
        with CaptureQueriesContext(connection) as queries:
            auditor.get(OVERVIEW)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 20


def test_a_users_own_page_leads_to_the_story(administrator: Client) -> None:
    session = make_session()
    page = f"/admin/auth/user/{session.user_id}/change/"

    assert f"{SESSIONS}story/?user={session.user_id}" in administrator.get(page).content.decode()
    staff_client("clerk")
    clerk = get_user_model().objects.get(username="clerk")
    clerk.user_permissions.add(permission("view_user"))
    client = Client()
    client.force_login(clerk)
    assert "Convai story" not in client.get(page).content.decode()


def permission(codename: str) -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.get(codename=codename, content_type__app_label="auth")


@pytest.mark.parametrize(
    ("as_list", "mark"), [(True, '<ol class="breadcrumbs">'), (False, "&rsaquo;")]
)
def test_the_way_back_is_shown_as_this_django_shows_it(
    auditor: Client, monkeypatch: pytest.MonkeyPatch, as_list: bool, mark: str
) -> None:
    monkeypatch.setitem(CRUMBS, "crumbs_in_list", as_list)

    content = auditor.get(OVERVIEW).content.decode()

    assert mark in content
    assert f'<a href="{ADMIN}">Convai tokens</a>' in content
