"""Tests of ``Secret``."""

from __future__ import annotations

import copy
import json
import pickle
import pprint

import pytest

from convai_tokens.secret import Hidden, Secret

TEXT = "a-secret-of-some-length"


@pytest.mark.parametrize(
    "show", [repr, str, format, ascii, pprint.pformat, "{}".format, "%s".__mod__]
)
def test_nothing_shows_it_nor_what_holds_it(show: object) -> None:
    assert callable(show)
    for holder in (Secret(TEXT), Hidden({"token": TEXT})):
        for shown in (holder, [holder], {"key": holder}, (holder,)):
            if show is not format or shown is holder:
                assert TEXT not in show(shown)


def test_it_is_no_text_that_a_serialiser_could_take_it_for() -> None:
    secret = Secret(TEXT)

    assert not isinstance(secret, (str, bytes))
    assert not isinstance(Hidden({}), dict)
    with pytest.raises(TypeError):
        json.dumps({"key": secret})
    with pytest.raises(TypeError):
        list(secret)  # type: ignore[call-overload]


def test_nobody_finds_it_among_its_attributes() -> None:
    secret = Secret(TEXT)

    assert not hasattr(secret, "__dict__")
    assert TEXT not in repr([getattr(secret, name) for name in Hidden.__slots__])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_cannot_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(TEXT), protocol)


def test_a_copy_is_itself() -> None:
    secret = Secret(TEXT)

    assert copy.deepcopy({"key": secret})["key"] is secret
    assert Secret.of(secret) is secret
    assert Secret.of(TEXT) == secret


def test_two_are_equal_if_their_texts_are() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert hash(Secret(TEXT)) == hash(Secret(TEXT))
    assert Secret("été") != Secret(TEXT)
    assert Secret(TEXT) != TEXT
    assert Secret(TEXT)
    assert not Secret()
