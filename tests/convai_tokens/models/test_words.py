"""The words of the tables fit into their columns, and can be read by people."""

from __future__ import annotations

from typing import Any

import pytest

from convai_tokens.models import (
    ConvaiToken,
    EndReason,
    EventKind,
    LearnerSession,
    TokenEvent,
    TokenStatus,
)


@pytest.mark.parametrize(
    ("words", "column"),
    [
        (EndReason, LearnerSession._meta.get_field("end_reason")),
        (TokenStatus, ConvaiToken._meta.get_field("status")),
        (EventKind, TokenEvent._meta.get_field("kind")),
    ],
)
def test_each_word_fits_into_its_column_and_has_a_label(words: Any, column: Any) -> None:
    assert all(len(word) <= column.max_length for word in words)
    assert all(word.label for word in words)
