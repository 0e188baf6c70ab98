"""The list as a file: for those who may, as filtered, with an event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from convai_tokens.models import EventKind, TokenEvent
from tests.convai_tokens.admin.rows import (
    CANARY,
    EVENTS,
    LISTS,
    SESSIONS,
    TOKENS,
    VIEWS,
    make_session,
    make_token,
    staff_client,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def exporter(db: None) -> Client:
    return staff_client("exporter", *VIEWS, "export_audit")


def text_of(response: Any) -> str:
    return b"".join(response.streaming_content).decode()


@pytest.mark.parametrize("address", LISTS)
def test_who_may_see_may_not_export_without_the_permission_of_its_own(
    auditor: Client, exporter: Client, address: str
) -> None:
    make_token()
    blind = staff_client("blind", "export_audit")

    assert auditor.get(f"{address}export/csv/").status_code == 403
    assert blind.get(f"{address}export/csv/").status_code == 403
    assert "export/csv/" not in auditor.get(address).content.decode()
    assert "export/csv/" in exporter.get(address).content.decode()
    assert not TokenEvent.objects.filter(kind=EventKind.EXPORTED).exists()


@pytest.mark.parametrize("address", LISTS)
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_a_file_is_named_streamed_kept_nowhere_and_without_a_secret(
    exporter: Client, address: str, file_format: str
) -> None:
    token = make_token()

    response = exporter.get(f"{address}export/{file_format}/")

    assert response.streaming
    assert response.headers["Content-Disposition"].endswith(f'.{file_format}"')
    assert "no-store" in response.headers["Cache-Control"]
    text = text_of(response)
    assert "learner" in text
    for secret in (CANARY, token.sealed, token.session.credential_digest):
        assert secret not in text


def test_the_file_holds_what_the_list_shows(exporter: Client) -> None:
    make_token(make_session("somebody"), "another")
    make_token(make_session(), "mine")
    make_token(make_session(), "dead", status="revoked")

    response = exporter.get(f"{TOKENS}export/jsonl/?state=live&q=learner")

    rows = [json.loads(line) for line in text_of(response).splitlines()]
    assert [(row["username"], row["status"]) for row in rows] == [("learner", "active")]


def test_each_export_leaves_an_event_that_names_who_and_what_but_not_the_person_searched(
    exporter: Client,
) -> None:
    make_token()

    exporter.get(f"{SESSIONS}export/csv/?state=open&q=learner&username__exact=learner")

    event = TokenEvent.objects.get(kind=EventKind.EXPORTED)
    assert (event.actor_name, event.session) == ("exporter", None)
    assert event.detail == "learnersession as csv: q, state=open, username__exact"
    assert "learnersession as csv" in exporter.get(EVENTS).content.decode()


def test_another_format_is_not_found_and_a_wrong_filter_leads_back(exporter: Client) -> None:
    assert exporter.get(f"{SESSIONS}export/xlsx/").status_code == 404
    assert exporter.get(f"{SESSIONS}export/csv/?state=nonsense").status_code == 302
