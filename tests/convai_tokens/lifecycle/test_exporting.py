"""The exported text: complete, safe for spreadsheets, and without a secret."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from convai_tokens.lifecycle import exporting
from convai_tokens.lifecycle.exporting import COLUMNS, exported
from convai_tokens.models import ConvaiToken, LearnerSession, TokenEvent
from tests.builders import make_session

MODELS = [LearnerSession, ConvaiToken, TokenEvent]


@pytest.fixture
def five_sessions(learner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "WINDOW", 2)
    for number in range(5):
        make_session(learner, device=f"Ward {number}", credential_digest="CANARY-DIGEST")


def text_of(model: Any, file_format: str) -> str:
    return "".join(exported(model.objects.all(), file_format))


def as_csv(model: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text_of(model, "csv"))))


@pytest.mark.usefixtures("five_sessions")
def test_both_formats_hold_every_row_once_over_all_windows() -> None:
    rows = as_csv(LearnerSession)
    lines = [json.loads(line) for line in text_of(LearnerSession, "jsonl").splitlines()]

    assert sorted(row["device"] for row in rows) == [f"Ward {n}" for n in range(5)]
    assert [row["id"] for row in rows] == [line["id"] for line in lines]
    assert lines[0].keys() == COLUMNS[LearnerSession].keys()
    assert rows[0]["ended_at"] == ""
    assert lines[0]["ended_at"] is None
    assert lines[0]["started_at"].endswith("Z")
    assert rows[0]["started_at"] == lines[0]["started_at"]


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(learner: Any, begins: str) -> None:
    make_session(learner, device=f"{begins}HYPERLINK(1)")

    assert as_csv(LearnerSession)[0]["device"] == f"'{begins}HYPERLINK(1)"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_no_secret_nor_digest_nor_mac_is_in_it(
    convai: Any, learner: Any, log_in: Any, model: Any, file_format: str
) -> None:
    value = log_in().json()["convai"]["apiAuthToken"]
    session, token = LearnerSession.objects.get(), ConvaiToken.objects.get()
    event = TokenEvent.objects.latest("pk")

    text = text_of(model, file_format)

    assert str(session.pk) in text
    for secret in (value, token.sealed, session.credential_digest, event.mac):
        assert secret
        assert secret not in text


def test_events_whose_session_was_purged_are_told_without_a_name(learner: Any) -> None:
    session = make_session(learner)
    TokenEvent.objects.create(session=session, kind="session_started")
    session.delete()

    assert [row["username"] for row in as_csv(TokenEvent)] == [""]


def test_an_empty_table_is_a_heading_and_nothing_else(db: None) -> None:
    assert text_of(TokenEvent, "csv").strip() == ",".join(COLUMNS[TokenEvent])
    assert text_of(TokenEvent, "jsonl") == ""
