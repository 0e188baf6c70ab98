"""Reads the JSON of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError

from ..secret import Secret


class JSONParser(parsers.JSONParser):
    """DRF's, which fails with a 500 on deep nesting, and leaves a password to show in a report."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return what the body holds; raise ``ParseError``."""
        try:
            data: Any = super().parse(stream, media_type, parser_context)
        except (ParseError, RecursionError) as error:
            raise ParseError("The body isn't JSON in UTF-8, or is nested too deeply.") from error
        if isinstance(data, dict) and isinstance(data.get("password"), str):
            data["password"] = Secret(data["password"])
        return data
