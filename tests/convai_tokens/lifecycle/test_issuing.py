"""Learner sessions are opened, their tokens generated and extended."""

from __future__ import annotations

from typing import Any

import pytest

from convai_tokens.exceptions import NoLiveToken
from convai_tokens.lifecycle import issuing
from convai_tokens.models import (
    ConvaiToken,
)
from tests.builders import open_session


def test_the_newest_token_is_extended_and_none_where_there_is_none(
    convai: Any, learner: Any
) -> None:
    session = open_session(learner)
    with pytest.raises(NoLiveToken):
        issuing.extend(session)
    older, newer = issuing.generate(session), issuing.generate(session)
    convai.set(extend_by=7200)

    extended = issuing.extend(session)

    assert (extended.token, extended.value) == (newer.token, newer.value)
    assert extended.expires_at > newer.expires_at
    assert ConvaiToken.objects.get(pk=older.token.pk).extend_count == 0
