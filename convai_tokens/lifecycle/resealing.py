"""Seal stored values anew under the newest encryption key, so that the older ones can go."""

from __future__ import annotations

from dataclasses import dataclass

from ..exceptions import SealBroken
from ..models import ConvaiToken
from .sealing import is_sealed_by_newest, seal, unseal

BATCH = 500


@dataclass
class Resealed:
    """Counts of stored values: sealed anew, under the newest key already, and opened by no key."""

    resealed: int = 0
    newest: int = 0
    shut: int = 0


def reseal(*, dry_run: bool = False) -> Resealed:
    """Seal all stored values that an older key sealed under the newest one; return the counts.

    Row by row, each by a conditional UPDATE: a value that is wiped or extended meanwhile stays as
    it is, and a run that is broken off is gone on with by the next one.
    """
    counts, last = Resealed(), 0
    stored = ConvaiToken.primary.exclude(sealed="").order_by("pk").only("sealed", "session_id")
    while batch := list(stored.filter(pk__gt=last)[:BATCH]):
        for token in batch:
            _reseal_one(token, counts, dry_run=dry_run)
        last = batch[-1].pk
    return counts


def _reseal_one(token: ConvaiToken, counts: Resealed, *, dry_run: bool) -> None:
    place = (token.pk, token.session_id)
    if is_sealed_by_newest(token.sealed, *place):
        counts.newest += 1
        return
    try:
        value = unseal(token.sealed, *place)
    except SealBroken:
        counts.shut += 1
        return
    if not dry_run:
        stored = ConvaiToken.primary.filter(pk=token.pk, sealed=token.sealed)
        stored.update(sealed=seal(value, *place))
    counts.resealed += 1
