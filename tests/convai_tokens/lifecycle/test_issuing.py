"""Learner sessions are opened, their tokens generated and extended."""

from __future__ import annotations

from typing import Any

import pytest

from convai_tokens.lifecycle import issuing
from convai_tokens.logins.credentials import bearer_credential
from convai_tokens.models import LearnerSession, LearnerSessionQuerySet


def test_two_parallel_first_requests_open_one_session(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = bearer_credential("custom", "a digest")
    first = issuing.open_session(credential, learner)
    monkeypatch.setattr(LearnerSessionQuerySet, "first", lambda self: None)  # it looked too early

    second = issuing.open_session(credential, learner)

    assert second.pk == first.pk
    assert LearnerSession.objects.count() == 1
