"""Each kind of value takes its forms, and refuses the rest with the end of a sentence."""

from __future__ import annotations

import re

import pytest

from convai_sandbox import kinds
from convai_sandbox.kinds import Check


@pytest.mark.parametrize(
    ("check", "given", "taken"),
    [
        (kinds.flag, True, True),
        (kinds.number(0, 5), 5, 5.0),
        (kinds.number(), 10**9, 1e9),
        (kinds.integer(-1, 5), -1, -1),
        (kinds.one_of(0, 301), 301, 301),
        (kinds.text, "two words", "two words"),
        (kinds.text, 30, "30"),
        (kinds.word, "CANARY-", "CANARY-"),
        (kinds.url, "", ""),
        (kinds.url, "https://127.0.0.1:1/x", "https://127.0.0.1:1/x"),
        (kinds.words, "a, b,", ("a", "b")),
        (kinds.words, ["a,b", "c"], ("a,b", "c")),
        (kinds.words, "", ()),
        (kinds.some_of("a", "b"), "b", ("b",)),
        (kinds.span, 0.2, (0.2, 0.2)),
        (kinds.span, 3, (3.0, 3.0)),
        (kinds.span, [0.1, 0.5], (0.1, 0.5)),
        (kinds.span, "0.1-0.5", (0.1, 0.5)),
        (kinds.rates({"503", "hang"}), "503=0.3, hang=0.1", {"503": 0.3, "hang": 0.1}),
        (kinds.rates({"503"}), {503: 1}, {"503": 1.0}),
        (kinds.rates({"503"}), "", {}),
        (kinds.rates(map(str, range(10))), dict.fromkeys(range(10), 0.1), None),
    ],
)
def test_a_value_is_brought_into_its_one_form(
    check: Check[object], given: object, taken: object
) -> None:
    found = check(given)

    if taken is None:
        taken = {str(number): 0.1 for number in range(10)}
    assert found == taken
    assert type(found) is type(taken)


@pytest.mark.parametrize(
    ("check", "given", "sentence"),
    [
        (kinds.flag, 0, "true or false"),
        (kinds.number(0, 5), 5.1, "a number from 0 to 5"),
        (kinds.number(), -1, "a number from 0"),
        (kinds.number(), True, "a number from 0"),
        (kinds.number(), float("inf"), "a number from 0"),
        (kinds.integer(0, 5), 1.0, "a whole number from 0 to 5"),
        (kinds.integer(0, 5), True, "a whole number from 0 to 5"),
        (kinds.one_of(0, 301), 302, "one of 0, 301"),
        (kinds.one_of(0, 1), True, "one of 0, 1"),
        (kinds.text, "two\nlines", "one line of printable ASCII of at most 1000 characters"),
        (kinds.text, "x" * 1001, "one line of printable ASCII of at most 1000 characters"),
        (kinds.text, "größer", "one line of printable ASCII of at most 1000 characters"),
        (kinds.word, "two words", "printable ASCII without spaces, of at most 1000 characters"),
        (kinds.url, "ftp://x", "an http or https URL, or empty"),
        (kinds.words, 3, "a list of words, or words with commas between them"),
        (kinds.some_of("a", "b"), "a,c", "some of a, b; 'c' is none of them"),
        (kinds.span, "0.5-0.1", "seconds up to 3600, or least-most such as 0.1-0.5"),
        (kinds.span, None, "seconds up to 3600, or least-most such as 0.1-0.5"),
        (kinds.span, 3601, "seconds up to 3600, or least-most such as 0.1-0.5"),
        (kinds.rates({"503"}), 503, 'rates by fault, such as {"503": 0.3, "hang": 0.1}'),
        (kinds.rates({"503"}), "503", 'rates by fault, such as {"503": 0.3, "hang": 0.1}'),
        (kinds.rates({"503"}), {"504": 1}, "rates by fault; there is no fault '504'"),
        (kinds.rates({"503"}), {"503": 2}, "a number from 0 to 1"),
        (kinds.rates({"1", "2"}), "1=0.6,2=0.6", "rates that sum to 1 at most"),
    ],
)
def test_what_is_no_such_value_is_refused(
    check: Check[object], given: object, sentence: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check(given)
