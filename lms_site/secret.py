"""A secret that doesn't show itself."""

from __future__ import annotations


class Secret(str):
    """A string in all but its ``repr``, which debug pages, crash reports and diffsettings show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"
