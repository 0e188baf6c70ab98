"""Values that an older key sealed, and what is left of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from convai_tokens.lifecycle import resealing
from convai_tokens.lifecycle.resealing import Resealed, reseal
from convai_tokens.lifecycle.sealing import unseal
from convai_tokens.models import ConvaiToken

OLD, NEW = "old-" + "o" * 40, "new-" + "n" * 40


def test_values_are_the_same_afterwards_and_all_batches_are_gone_through(
    convai: Any,
    convai_settings: Callable[..., None],
    make_owed_tokens: Callable[[int], None],
    monkeypatch: Any,
) -> None:
    convai_settings(ENCRYPTION_KEYS=[OLD])
    make_owed_tokens(5)
    monkeypatch.setattr(resealing, "BATCH", 2)
    before = {it.pk: unseal(it.sealed, it.pk, it.session_id) for it in ConvaiToken.objects.all()}
    convai_settings(ENCRYPTION_KEYS=[NEW, OLD])

    counts = reseal()

    convai_settings(ENCRYPTION_KEYS=[NEW])
    assert counts == Resealed(resealed=5)
    assert before == {
        it.pk: unseal(it.sealed, it.pk, it.session_id) for it in ConvaiToken.objects.all()
    }
