"""The end of all of a user's learner sessions: which of them it holds for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from convai_tokens.models import EndOfSessions, EndReason
from tests.builders import make_session


@pytest.mark.parametrize(
    ("fields", "holds"),
    [
        ({}, True),
        ({"stack": "knox"}, True),
        ({"stack": "session"}, False),
        ({"but": "own"}, False),
        ({"but": "others"}, True),
        ({"at": timedelta(seconds=-1)}, False),
    ],
)
def test_it_holds_for_what_had_started_but_for_other_stacks_and_the_one_that_goes_on(
    learner: Any, fields: dict[str, Any], holds: bool
) -> None:
    session, other = make_session(learner, stack="knox"), make_session(learner)
    if "but" in fields:
        fields = {"but": session.pk if fields["but"] == "own" else other.pk}
    if "at" in fields:
        fields = {"at": session.started_at + fields["at"]}
    EndOfSessions.objects.create(user=learner, reason=EndReason.API, **fields)

    found = EndOfSessions.of(session.pk, session.user_id, session.stack, session.started_at)

    assert found.exists() is holds


def test_it_says_whose_and_why(learner: Any) -> None:
    end = EndOfSessions(user=learner, reason=EndReason.API)

    assert str(end) == f"{learner.pk}, {end.at:%Y-%m-%d %H:%M:%S}, api"
