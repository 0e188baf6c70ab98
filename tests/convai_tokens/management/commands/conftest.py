"""Fixtures of the commands' tests; those of an installation are the doctor's."""

from __future__ import annotations

from tests.convai_tokens.doctor.conftest import _no_pauses, shared_cache, token_row

__all__ = ["_no_pauses", "shared_cache", "token_row"]
