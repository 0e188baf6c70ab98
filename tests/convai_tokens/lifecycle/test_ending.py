"""Learner sessions end, and their tokens are marked for revocation."""

from __future__ import annotations

from typing import Any

from django.test import Client

from convai_tokens.lifecycle import ending
from convai_tokens.models import EndReason, LearnerSession


def test_a_second_end_of_the_same_session_changes_nothing(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    session = LearnerSession.objects.get()

    assert ending.end_session(session.pk, EndReason.API)
    assert not ending.end_session(session.pk, EndReason.STAFF)
    session.refresh_from_db()
    assert session.end_reason == EndReason.API
