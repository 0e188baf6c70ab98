"""Backends of the cache that don't do what they should."""

from __future__ import annotations

from typing import Any


class BrokenCache:
    """A cache whose server is down."""

    def __init__(self, location: str, options: dict[str, Any]) -> None:
        pass

    def get(self, *args: Any, **kwargs: Any) -> None:
        raise ConnectionError("redis://:secret@cache.example.org")

    def set(self, *args: Any, **kwargs: Any) -> None:
        self.get()

    def clear(self) -> None:
        pass

    def close(self) -> None:
        pass


class SilentCache(BrokenCache):
    """A cache that keeps nothing, and says nothing."""

    def get(self, *args: Any, **kwargs: Any) -> None:
        return None

    def delete(self, *args: Any) -> None:
        pass


BROKEN = {"default": {"BACKEND": f"{__name__}.BrokenCache", "LOCATION": ""}}
SILENT = {"default": {"BACKEND": f"{__name__}.SilentCache", "LOCATION": ""}}
