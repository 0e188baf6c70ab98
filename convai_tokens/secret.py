"""What holds an API key, a token value or an encryption key."""

from __future__ import annotations


class Secret(str):
    """A string that looks like ``***`` wherever Python shows its ``repr``.

    Debug pages and crash reports print the ``repr`` of local variables, and so of every dict and
    list that holds one. It is a ``str`` in all else, so that it serialises as what it is.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"
