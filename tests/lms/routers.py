"""A router of a site that reads from a replica."""

from __future__ import annotations

from typing import Any


class ReplicaRouter:
    """Sends reads to a database that isn't there: whoever reads from it fails."""

    apps = ("auth", "convai_tokens", "sessions", "knox")

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "a replica" if model._meta.app_label in self.apps else None

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"


PATH = f"{__name__}.{ReplicaRouter.__name__}"
