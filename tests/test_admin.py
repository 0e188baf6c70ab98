"""The admin's pages: read-only, complete, cheap, and without a secret."""

from __future__ import annotations

import re
from datetime import timedelta
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
from django.utils import timezone

from convai_tokens.admin import base
from convai_tokens.lifecycle import audit, ending
from convai_tokens.lifecycle.sealing import fingerprint
from convai_tokens.models import (
    ConvaiToken,
    EndReason,
    EventKind,
    LearnerSession,
    TokenEvent,
    TokenStatus,
)

from .admin_rows import (
    ADMIN,
    CANARY,
    EVENTS,
    SESSIONS,
    TOKENS,
    VIEWS,
    act,
    listed,
    make_session,
    make_token,
    staff_client,
)

pytestmark = pytest.mark.django_db
LISTS = [SESSIONS, TOKENS, EVENTS]


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


def everything() -> list[list[dict[str, Any]]]:
    """Return what the three tables hold."""
    tables = [LearnerSession, ConvaiToken, TokenEvent]
    return [list(table.objects.order_by("pk").values()) for table in tables]


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
        assert not re.search(r'<input(?![^>]*name="csrfmiddlewaretoken")', content)
        assert 'name="_save"' not in content
        assert "deletelink" not in content


def test_the_token_list_tells_how_each_token_stands(auditor: Client) -> None:
    session = make_session()
    expires = timezone.now() + timedelta(minutes=30)
    make_token(session, "active-one", expires_at=expires)
    owed = make_token(
        make_session(
            "learner-2",
            device="headset-9",
            stack="session",
            ended_at=timezone.now(),
            end_reason=EndReason.PASSWORD_CHANGED,
        ),
        "owed-one",
        status=TokenStatus.REVOKING,
        owed_since=timezone.now() - timedelta(hours=2),
    )

    content = auditor.get(TOKENS).content.decode()
    cells = dict(re.findall(r"field-(\w+)[^>]*>(.*?)</t[dh]>", content.split("<tbody>")[1]))
    text = {name: re.sub("<[^>]+>", "", cell) for name, cell in cells.items()}

    assert set(text) == {
        *("fingerprint", "learner", "status", "left", "owed_now", "generated", "expires"),
        *("stack", "device", "end_reason"),
    }
    # The rows come newest first, so that the last one read is the active token.
    assert text["fingerprint"] == fingerprint("active-one")
    assert text["learner"] == "learner"
    assert text["status"] == "active"
    assert re.fullmatch(r"0:29:5\d", text["left"])
    assert text["owed_now"] == text["end_reason"] == "-"
    assert text["expires"] == f"{timezone.localtime(expires):%Y-%m-%d %H:%M:%S}"
    assert text["stack"] == "knox"
    assert text["device"] == "kiosk-3"
    for shown in ["revocation owed", "Password changed", "headset-9", "session"]:
        assert shown in content
    assert owed.owed_since is not None
    assert f"{timezone.localtime(owed.owed_since):%H:%M:%S}" in content


def test_the_session_list_tells_who_where_and_how_it_ended(auditor: Client) -> None:
    make_session(ended_at=timezone.now(), end_reason=EndReason.LOGOUT)

    content = auditor.get(SESSIONS).content.decode().split("<tbody>")[1]

    for shown in ["learner", "knox", "kiosk-3", "Logout"]:
        assert re.search(rf'field-\w+"?[^>]*>(<a[^>]*>)?{shown}<', content), shown


@pytest.mark.parametrize(
    ("address", "query", "found"),
    [
        (TOKENS, "owed=yes", 1),
        (TOKENS, "status__exact=active", 2),
        (TOKENS, "status__exact=revoking", 1),
        (TOKENS, "q=learner", 2),
        (TOKENS, "q=learn", 0),
        (TOKENS, f"q={fingerprint('two')[:8]}", 1),
        (TOKENS, "q=%20", 3),
        (SESSIONS, "state=open", 1),
        (SESSIONS, "state=ended", 1),
        (SESSIONS, "stack=session", 1),
        (SESSIONS, "end_reason__exact=logout", 1),
        (SESSIONS, "q=learn", 2),
        (SESSIONS, "q=learner-2", 1),
        (SESSIONS, f"q={fingerprint('two')}", 1),
        (SESSIONS, "q=%20", 2),
        (EVENTS, "kind__exact=generated", 3),
        (EVENTS, "q=learner-2", 2),
        (EVENTS, f"q={fingerprint('two')}", 1),
        (EVENTS, "q=%20", 5),
        (EVENTS, "q=nobody", 0),
    ],
)
def test_filters_and_search_find(auditor: Client, address: str, query: str, found: int) -> None:
    session = make_session()
    make_token(session, "one")
    make_token(session, "two")
    ended = make_session(
        "learner-2", stack="session", ended_at=timezone.now(), end_reason=EndReason.LOGOUT
    )
    make_token(ended, "three", status=TokenStatus.REVOKING)

    page = auditor.get(f"{address}?{query}")

    assert page.status_code == 200
    assert len(listed(page)) == found


def test_the_filter_by_stack_offers_what_learners_log_in_with(auditor: Client) -> None:
    make_session(stack="session")
    make_session("learner-2", stack="jwt")

    content = auditor.get(SESSIONS).content.decode()

    assert "?stack=jwt" in content
    assert "?stack=session" in content
    assert "?stack=knox" not in content


def test_a_token_page_shows_its_own_events_and_no_others(auditor: Client) -> None:
    session = make_session()
    token, other = make_token(session, "one"), make_token(session, "two")
    audit.record(EventKind.EXTENDED, session.pk, token.pk, "detail of this token")
    audit.record(EventKind.EXTENDED, session.pk, other.pk, "detail of the other")

    content = auditor.get(f"{TOKENS}{token.pk}/change/").content.decode()

    assert "detail of this token" in content
    assert "detail of the other" not in content
    assert f"{SESSIONS}{session.pk}/change/" in content


def test_a_session_page_shows_its_tokens_and_events(auditor: Client) -> None:
    session = make_session()
    token = make_token(session)
    stranger = make_token(make_session("learner-2"), "stranger")
    ending.end_session(session.pk, EndReason.LOGOUT)

    content = auditor.get(f"{SESSIONS}{session.pk}/change/").content.decode()

    for shown in ["session started", "generated", "session ended", "Session ended: logout"]:
        assert shown in content
    assert f"{TOKENS}{token.pk}/change/" in content
    assert token.fingerprint in content
    assert stranger.fingerprint not in content


def test_a_page_without_tokens_says_so(auditor: Client) -> None:
    content = auditor.get(f"{SESSIONS}{make_session().pk}/change/").content.decode()

    assert "<td>None</td>" in content


def test_an_auditor_sees_everything_and_is_offered_no_action(
    auditor: Client, pages: list[str]
) -> None:
    for page in [ADMIN, *LISTS, *pages]:
        response = auditor.get(page)

        assert response.status_code == 200
        assert 'name="action"' not in response.content.decode()


def test_an_auditor_who_may_not_see_events_sees_none(pages: list[str]) -> None:
    client = staff_client("auditor", "view_learnersession", "view_convaitoken")

    assert client.get(pages[2]).status_code == 403
    for page in pages[:2]:
        content = client.get(page).content.decode()
        assert 'id="events-group"' not in content
    assert 'id="tokens-group"' in client.get(pages[0]).content.decode()


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


def test_a_deleted_learner_leaves_the_audit(administrator: Client) -> None:
    token = make_token()
    user = token.session.user
    assert user is not None

    page = administrator.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"}, follow=True)

    assert page.status_code == 200
    assert not get_user_model().objects.filter(pk=user.pk).exists()
    token.refresh_from_db()
    session = LearnerSession.objects.get(pk=token.session_id)
    assert token.status == TokenStatus.REVOKING
    assert (session.user, session.username) == (None, "learner")
    assert session.end_reason == EndReason.USER_DELETED
    assert "learner" in administrator.get(f"{SESSIONS}{session.pk}/change/").content.decode()


def test_a_deleted_staff_member_leaves_the_events(administrator: Client) -> None:
    token = make_token()
    actor = get_user_model().objects.create_user("staff-who-leaves", is_staff=True)
    ending.revoke_tokens(ConvaiToken.objects.all(), detail="Revoked by staff", actor=actor)
    before = TokenEvent.objects.count()

    administrator.post(f"/admin/auth/user/{actor.pk}/delete/", {"post": "yes"})

    assert not get_user_model().objects.filter(pk=actor.pk).exists()
    assert TokenEvent.objects.count() == before
    event = TokenEvent.objects.get(token=token, kind=EventKind.OWED)
    assert (event.actor, event.detail) == (None, "Revoked by staff")


def test_no_page_shows_a_secret(administrator: Client, pages: list[str]) -> None:
    token = ConvaiToken.objects.get()
    secrets = {
        CANARY,
        token.sealed,
        token.session.credential_digest,
        settings.CONVAI_TOKENS["API_KEY"],
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
    assert settings.CONVAI_TOKENS["API_KEY"] not in out.getvalue()


@pytest.mark.parametrize("address", [*LISTS, f"{TOKENS}?q=learner", f"{SESSIONS}?q=learner"])
def test_a_list_costs_as_many_queries_for_60_rows_as_for_one(
    administrator: Client, address: str
) -> None:
    counts = []
    for rows in [1, 59]:
        for _number in range(rows):
            make_token()
        administrator.get(address)  # fills the cache of content types
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert administrator.get(address).status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 12


def test_a_page_costs_as_many_queries_for_60_rows_as_for_one(administrator: Client) -> None:
    session = make_session()
    counts = []
    for rows in [1, 59]:
        for number in range(rows):
            token = make_token(session, f"value-{rows}-{number}")
            ending.revoke_tokens(
                ConvaiToken.objects.filter(pk=token.pk),
                detail="",
                actor=get_user_model().objects.get(username="administrator"),
            )
        administrator.get(f"{SESSIONS}{session.pk}/change/")  # fills the cache of content types
        with CaptureQueriesContext(connection) as queries:
            administrator.get(f"{SESSIONS}{session.pk}/change/")
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.parametrize("address", [*LISTS, f"{TOKENS}?_facets=True", f"{SESSIONS}?_facets=True"])
def test_no_list_counts_the_whole_table(administrator: Client, address: str) -> None:
    make_token()
    with CaptureQueriesContext(connection) as queries:
        administrator.get(address, follow=True)

    ours = [query["sql"] for query in queries if "convai_tokens_" in query["sql"]]
    counts = [sql for sql in ours if "COUNT(" in sql]
    assert counts
    assert all(f"LIMIT {base.COUNT_CAP}" in sql for sql in counts)


def test_a_list_that_is_cut_off_says_so(auditor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_token()
    make_token(value="another")
    assert "At least" not in auditor.get(TOKENS).content.decode()
    monkeypatch.setattr(base, "COUNT_CAP", 2)

    assert "At least 2 match" in auditor.get(TOKENS).content.decode()
