"""All pages: read-only, cheap, for those who may, and without a secret."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from convai_tokens.admin import base
from convai_tokens.lifecycle import ending
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, TokenEvent
from tests.convai_tokens.admin.rows import (
    ADMIN,
    CANARY,
    LISTS,
    SESSIONS,
    TOKENS,
    act,
    listed,
    make_session,
    make_token,
    staff_client,
)

pytestmark = pytest.mark.django_db


def everything() -> list[Any]:
    """Return what the three tables hold."""
    return [
        list(LearnerSession.objects.order_by("pk").values()),
        list(ConvaiToken.objects.order_by("pk").values()),
        list(TokenEvent.objects.order_by("pk").values()),
    ]


@pytest.mark.parametrize("address", LISTS)
def test_nobody_can_add_a_row(administrator: Client, address: str) -> None:
    before = everything()

    assert administrator.get(f"{address}add/").status_code == 403
    assert administrator.post(f"{address}add/", {"username": "x"}).status_code == 403
    assert "addlink" not in administrator.get(address).content.decode().split('id="content"')[1]
    assert everything() == before


def test_nobody_can_change_a_row(administrator: Client, pages: list[str]) -> None:
    before = everything()
    forms = {
        "tokens-TOTAL_FORMS": "1",
        "tokens-INITIAL_FORMS": "1",
        "tokens-0-id": str(ConvaiToken.objects.get().pk),
        "tokens-0-status": "revoked",
        "events-TOTAL_FORMS": "1",
        "events-INITIAL_FORMS": "0",
        "events-0-kind": "revoked",
        "username": "somebody-else",
        "status": "revoked",
        "detail": "forged",
        "_save": "Save",
    }

    for page in pages:
        assert administrator.post(page, forms).status_code == 403
    assert everything() == before


def test_nobody_can_delete_a_row(administrator: Client, pages: list[str]) -> None:
    before = everything()

    for page in pages:
        address = page.replace("/change/", "/delete/")
        assert administrator.get(address).status_code == 403
        assert administrator.post(address, {"post": "yes"}).status_code == 403
    assert everything() == before


@pytest.mark.parametrize("address", LISTS)
def test_nobody_can_delete_rows_in_bulk(
    administrator: Client, pages: list[str], address: str
) -> None:
    before = everything()
    rows = listed(administrator.get(address))

    page = act(administrator, address, "delete_selected", *rows, post="yes")

    assert rows
    assert page.status_code == 200
    assert everything() == before
    assert "delete_selected" not in page.content.decode()


def test_the_pages_hold_no_field_to_fill_in(administrator: Client, pages: list[str]) -> None:
    for page in pages:
        content = administrator.get(page).content.decode().split('id="content"')[1]

        assert "<select" not in content  # a user drop-down would list every user of the LMS
        assert not re.search(r'<input(?![^>]*type="hidden")', content)
        assert 'name="_save"' not in content
        assert "deletelink" not in content


def test_an_auditor_sees_everything_and_is_offered_no_action(
    auditor: Client, pages: list[str]
) -> None:
    for page in [ADMIN, *LISTS, *pages]:
        response = auditor.get(page)

        assert response.status_code == 200
        assert 'name="action"' not in response.content.decode()


def test_staff_without_permissions_see_nothing(pages: list[str]) -> None:
    client = staff_client("teacher")

    for page in [ADMIN, *LISTS, *pages, pages[0].replace("change", "history")]:
        assert client.get(page).status_code in {403, 404}, page
    assert "convai" not in client.get("/admin/").content.decode().lower()


def test_learners_are_sent_to_the_login_page(pages: list[str]) -> None:
    client = Client()
    client.force_login(get_user_model().objects.get(username="learner"))

    for page in [*LISTS, *pages]:
        assert client.get(page).headers["Location"].startswith("/admin/login/")


def test_no_page_shows_a_secret(administrator: Client, pages: list[str]) -> None:
    token = ConvaiToken.objects.get()
    secrets = {
        CANARY,
        token.sealed,
        token.session.credential_digest,
        str(settings.CONVAI_TOKENS["API_KEY"]),
    }
    histories = [page.replace("/change/", "/history/") for page in pages]
    contents = [
        administrator.get(page).content.decode()
        for page in ["/admin/", ADMIN, *LISTS, *pages, *histories]
    ]
    session = token.session
    for confirmed in [{}, {"confirmed": "yes"}]:
        for address, action, row in [
            (TOKENS, "revoke_selected", token),
            (SESSIONS, "end_selected", session),
        ]:
            page = act(administrator, address, action, row, **confirmed)
            contents.append(page.content.decode())
    contents += [administrator.get(page).content.decode() for page in ["/admin/", *histories]]
    told = [f"{SESSIONS}overview/", f"{SESSIONS}story/?user={session.user_id}"]
    contents += [administrator.get(page).content.decode() for page in told]

    assert LogEntry.objects.count() == 2
    entries = LogEntry.objects.values_list("object_repr", "change_message")
    contents += [" ".join(entry) for entry in entries]
    assert sum(token.fingerprint in content for content in contents) > 5
    for secret in secrets:
        assert not any(secret in content for content in contents)


def test_search_by_a_token_value_finds_nothing(administrator: Client) -> None:
    token = make_token()

    for secret in [CANARY, CANARY[:12], token.sealed, token.session.credential_digest]:
        for address in LISTS:
            assert listed(administrator.get(address, {"q": secret})) == []


@pytest.mark.parametrize(
    "query",
    [
        "sealed__startswith=v1.",
        "sealed=x",
        "sealed__regex=^v",
        "session__credential_digest__startswith=d1",
        "session__user__password__startswith=md5",
    ],
)
def test_an_address_cannot_ask_about_a_hidden_column(administrator: Client, query: str) -> None:
    make_token()

    assert administrator.get(f"{TOKENS}?{query}").status_code == 400


@pytest.mark.parametrize(
    "query", ["credential_digest__startswith=d1", "tokens__sealed__startswith=v1.", "_to_field=x"]
)
def test_an_address_cannot_ask_about_a_sessions_hidden_column(
    administrator: Client, query: str
) -> None:
    make_token()

    assert administrator.get(f"{SESSIONS}?{query}").status_code == 400


def test_dumpdata_shows_no_token_value() -> None:
    token = make_token()
    ending.end_session(token.session_id, EndReason.LOGOUT)
    out = StringIO()

    call_command("dumpdata", stdout=out)

    assert token.fingerprint in out.getvalue()
    assert CANARY not in out.getvalue()
    assert str(settings.CONVAI_TOKENS["API_KEY"]) not in out.getvalue()


@pytest.mark.parametrize("address", [*LISTS, f"{TOKENS}?q=learner", f"{SESSIONS}?q=learner"])
def test_a_list_costs_as_many_queries_for_120_rows_as_for_60(
    administrator: Client, address: str
) -> None:
    counts = []
    for _round in range(2):
        for _number in range(60):
            make_token()
        administrator.get(address)  # fills the cache of content types
        with CaptureQueriesContext(connection) as queries:
            assert administrator.get(address).status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 18


@pytest.mark.parametrize("address", [*LISTS, f"{TOKENS}?_facets=True", f"{SESSIONS}?_facets=True"])
def test_no_list_counts_the_whole_table(administrator: Client, address: str) -> None:
    make_token()
    with CaptureQueriesContext(connection) as queries:
        administrator.get(address, follow=True)

    ours = [query["sql"] for query in queries if "convai_tokens_" in query["sql"]]
    counts = [sql for sql in ours if "COUNT(" in sql]
    of_the_page = [sql for sql in counts if "GROUP BY" in sql]  # of its 50 rows
    assert len(of_the_page) == address.startswith(SESSIONS)
    assert len(counts) > len(of_the_page)
    assert all(f"LIMIT {base.COUNT_CAP}" in sql for sql in counts if sql not in of_the_page)


def test_a_list_that_is_cut_off_says_so(auditor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_token()
    make_token(value="another")
    assert "At least" not in auditor.get(TOKENS).content.decode()
    monkeypatch.setattr(base, "COUNT_CAP", 2)

    assert "At least 2 match" in auditor.get(TOKENS).content.decode()


@pytest.mark.parametrize("address", LISTS)
@pytest.mark.parametrize("order", ["2", "-3", "1.0", "99", "x", "-"])
def test_an_order_that_no_header_offers_is_ignored(
    auditor: Client, address: str, order: str
) -> None:
    for number in range(3):
        make_token(value=f"value-{number}")

    assert listed(auditor.get(f"{address}?o={order}")) == listed(auditor.get(address))


@pytest.mark.parametrize(("address", "column"), [(SESSIONS, 0), (TOKENS, 4), (LISTS[2], 0)])
def test_the_order_that_a_header_offers_is_an_indexs_from_either_end(
    auditor: Client, address: str, column: int
) -> None:
    for number in range(3):
        make_token(make_session(), value=f"value-{number}")

    forwards = listed(auditor.get(f"{address}?o={column}"))

    assert forwards == listed(auditor.get(f"{address}?o=-{column}"))[::-1]
    assert forwards == listed(auditor.get(address))[::-1]
