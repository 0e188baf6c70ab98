"""Token values at rest, and the keyed hashes that stand for values and credentials."""

from __future__ import annotations

import base64
import re
import traceback
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import assume, example, given
from hypothesis import strategies as st

from convai_tokens.conf import MIN_KEY_LENGTH
from convai_tokens.exceptions import SealBroken
from convai_tokens.lifecycle.sealing import (
    credential_digests,
    fingerprint,
    key_ids,
    seal,
    unseal,
)
from convai_tokens.secret import Secret

ConvaiSettings = Callable[..., None]

OLD, NEW, OTHER = ("old-" + "o" * 40, "new-" + "n" * 40, "other-" + "x" * 40)
SESSION, ANOTHER = uuid.UUID(int=1), uuid.UUID(int=2)
VALUE = "eyJhbGciOiJIUzI1NiJ9.CANARY-TOKEN.c2lnbmF0dXJl"
row_ids = st.integers(min_value=1, max_value=2**63 - 1)
keys = st.text().map(lambda text: text + "k" * MIN_KEY_LENGTH)


@given(value=st.text(max_size=5000), row_id=row_ids)
@example(value="", row_id=1)
def test_any_text_unseals_to_itself(value: str, row_id: int) -> None:
    sealed = seal(Secret(value), row_id, SESSION)

    assert unseal(sealed, row_id, SESSION) == Secret(value)
    assert sealed.isascii()


@given(value=st.text(min_size=8, max_size=200), row_id=row_ids)
def test_a_sealed_value_shows_nothing_of_the_value(value: str, row_id: int) -> None:
    sealed = seal(Secret(value), row_id, SESSION)

    assert value not in sealed
    assert value.encode() not in base64.urlsafe_b64decode(sealed.removeprefix("v1."))


@given(value=st.text(), row_id=row_ids, other=row_ids)
def test_a_value_moved_to_another_row_never_opens(value: str, row_id: int, other: int) -> None:
    assume(row_id != other)

    with pytest.raises(SealBroken):
        unseal(seal(Secret(value), row_id, SESSION), other, SESSION)


@given(value=st.text(), sealing=keys, opening=keys)
def test_a_value_never_opens_under_another_key(value: str, sealing: str, opening: str) -> None:
    assume(sealing != opening)
    with override_settings(CONVAI_TOKENS={"ENCRYPTION_KEYS": [sealing]}):
        sealed = seal(Secret(value), 1, SESSION)

    with (
        override_settings(CONVAI_TOKENS={"ENCRYPTION_KEYS": [opening]}),
        pytest.raises(SealBroken),
    ):
        unseal(sealed, 1, SESSION)


@given(position=st.integers(min_value=0, max_value=11 + len(VALUE) + 16), bit=st.integers(0, 7))
def test_a_value_with_one_bit_changed_never_opens(position: int, bit: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(seal(Secret(VALUE), 1, SESSION).removeprefix("v1.")))
    raw[position] ^= 1 << bit

    with pytest.raises(SealBroken):
        unseal("v1." + base64.urlsafe_b64encode(raw).decode(), 1, SESSION)


@given(text=st.text(), row_id=row_ids)
@example(text="", row_id=1)
@example(text="v1.", row_id=1)
@example(text="v1.A", row_id=1)
@example(text="v1." + "A" * 16, row_id=1)
@example(text="v1." + "A" * 20, row_id=1)
@example(text="v1." + "A" * 400, row_id=1)
@example(text="v1.ß", row_id=1)
def test_what_was_never_sealed_is_told_as_a_broken_seal(text: str, row_id: int) -> None:
    for sealed in (text, "v1." + text):
        with pytest.raises(SealBroken):
            unseal(sealed, row_id, SESSION)


def test_an_unknown_version_never_opens() -> None:
    sealed = seal(Secret(VALUE), 1, SESSION)

    with pytest.raises(SealBroken):
        unseal("v2." + sealed.removeprefix("v1."), 1, SESSION)


def test_a_broken_seal_names_the_row_and_no_secret(convai_settings: ConvaiSettings) -> None:
    convai_settings(ENCRYPTION_KEYS=[OLD])
    sealed = seal(Secret(VALUE), 41, SESSION)

    with pytest.raises(SealBroken) as caught:
        unseal(sealed, 42, SESSION)

    assert str(caught.value) == "No encryption key opens token 42."
    frames = [frame for frame, _ in traceback.walk_tb(caught.tb)][1:]  # the first is the test's
    assert [frame.f_code.co_name for frame in frames] == ["unseal"]
    assert OLD not in repr([frame.f_locals for frame in frames])


def test_an_unsealed_value_shows_in_no_repr() -> None:
    opened = unseal(seal(Secret(VALUE), 1, SESSION), 1, SESSION)

    assert isinstance(opened, Secret)
    assert VALUE not in repr({"value": opened})


def test_one_value_seals_differently_each_time() -> None:
    assert len({seal(Secret(VALUE), 1, SESSION) for _ in range(20)}) == 20


def test_old_keys_still_unseal(convai_settings: ConvaiSettings) -> None:
    convai_settings(ENCRYPTION_KEYS=[OLD])
    sealed = seal(Secret(VALUE), 1, SESSION)

    convai_settings(ENCRYPTION_KEYS=[NEW, OTHER, OLD])

    assert unseal(sealed, 1, SESSION) == Secret(VALUE)


def test_the_newest_key_seals(convai_settings: ConvaiSettings) -> None:
    convai_settings(ENCRYPTION_KEYS=[NEW, OLD])
    sealed = seal(Secret(VALUE), 1, SESSION)

    convai_settings(ENCRYPTION_KEYS=[NEW])
    assert unseal(sealed, 1, SESSION) == Secret(VALUE)
    convai_settings(ENCRYPTION_KEYS=[OLD])
    with pytest.raises(SealBroken):
        unseal(sealed, 1, SESSION)


def test_a_changed_secret_key_still_unseals_as_a_fallback(settings: Any) -> None:
    settings.SECRET_KEY = OLD
    sealed = seal(Secret(VALUE), 1, SESSION)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]

    assert unseal(sealed, 1, SESSION) == Secret(VALUE)


def test_a_fingerprint_is_twelve_hex_digits_and_always_the_same() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", fingerprint(Secret(VALUE)))
    assert fingerprint(Secret(VALUE)) == fingerprint(Secret(VALUE))


def test_a_fingerprint_depends_on_value_and_key(convai_settings: ConvaiSettings) -> None:
    convai_settings(ENCRYPTION_KEYS=[OLD])
    under_old = {fingerprint(Secret(VALUE)), fingerprint(Secret(VALUE + "x"))}
    convai_settings(ENCRYPTION_KEYS=[NEW])

    assert len(under_old | {fingerprint(Secret(VALUE))}) == 3


def test_a_credentials_digest_is_64_hex_digits_under_the_newest_key(
    convai_settings: ConvaiSettings,
) -> None:
    convai_settings(ENCRYPTION_KEYS=[NEW, OLD])
    digest = credential_digests(Secret("a-session-key"))[0]
    convai_settings(ENCRYPTION_KEYS=[NEW])

    assert re.fullmatch(r"[0-9a-f]{64}", digest)
    assert digest == credential_digests(Secret("a-session-key"))[0]


def test_a_credential_is_looked_up_under_all_keys(convai_settings: ConvaiSettings) -> None:
    convai_settings(ENCRYPTION_KEYS=[OLD])
    under_old = credential_digests(Secret("a-session-key"))[0]

    convai_settings(ENCRYPTION_KEYS=[NEW, OLD])

    assert credential_digests(Secret("a-session-key")) == [
        credential_digests(Secret("a-session-key"))[0],
        under_old,
    ]


def test_a_digest_and_a_fingerprint_of_one_text_have_nothing_in_common() -> None:
    assert not credential_digests(Secret(VALUE))[0].startswith(fingerprint(Secret(VALUE)))


def test_a_value_does_not_open_in_another_learners_session() -> None:
    sealed = seal(Secret(VALUE), 1, SESSION)

    with pytest.raises(SealBroken):
        unseal(sealed, 1, ANOTHER)


def test_a_key_is_known_by_an_id_that_tells_nothing_of_it() -> None:
    with override_settings(CONVAI_TOKENS={"ENCRYPTION_KEYS": [NEW, OLD]}):
        both = key_ids()
    with override_settings(CONVAI_TOKENS={"ENCRYPTION_KEYS": [OLD]}):
        one = key_ids()

    assert both[1:] == one
    assert len(set(both)) == 2
    assert all(re.fullmatch(r"[0-9a-f]{8}", it) for it in both)
    assert credential_digests(Secret("x"))[0].startswith(both[0]) is False
