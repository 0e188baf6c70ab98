"""Each list explains its technical words where they stand."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils.html import escape

from convai_tokens.admin.words import STATUSES, WORDS
from convai_tokens.models import TokenStatus
from tests.convai_tokens.admin.rows import LISTS


def test_every_status_is_explained() -> None:
    assert {str(word) for word, _meaning in STATUSES} == {str(it.label) for it in TokenStatus}


@pytest.mark.django_db
@pytest.mark.parametrize("address", LISTS)
def test_the_words_stand_on_the_lists_and_the_pages(
    auditor: Client, pages: list[str], address: str
) -> None:
    listed = auditor.get(address).content.decode()
    shown = auditor.get(pages[LISTS.index(address)]).content.decode()
    words = list(WORDS.values())[LISTS.index(address)]

    for word, meaning in words:
        assert f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>" in listed
        assert str(escape(meaning)) in shown
