"""What Convai generated is stored, and in whose hands it lives on."""

from __future__ import annotations

from typing import Any

from convai_tokens.lifecycle import issuing
from convai_tokens.lifecycle.sealing import fingerprint, unseal
from convai_tokens.models import ConvaiToken, TokenStatus
from tests.builders import open_session


def test_a_generated_token_is_stored_sealed_with_its_end(convai: Any, learner: Any) -> None:
    issued = issuing.generate(open_session(learner))

    token = ConvaiToken.objects.get()
    assert convai.live() == [issued.value.reveal()]
    assert unseal(token.sealed, token.pk, token.session_id) == issued.value
    assert (token.status, token.expires_at) == (TokenStatus.ACTIVE, issued.expires_at)
    assert token.fingerprint == fingerprint(issued.value)


def test_what_stands_in_for_a_token_is_another_one_each_time(convai: Any, learner: Any) -> None:
    session = open_session(learner)
    stand_ins = [issuing.generate(session).stand_in for _ in range(2)]

    assert len({*stand_ins}) == 2
    assert not any(stand_in in value for stand_in in stand_ins for value in convai.live())
