"""The throw-away site takes nothing of the user's, and knows what it has revoked."""

from __future__ import annotations

from pathlib import Path

from lms_site.demo.throwaway import settings_for


def test_the_throw_away_site_takes_nothing_of_the_users_own_settings(tmp_path: Path) -> None:
    outer = {
        "PATH": "/bin",
        "DATABASE_URL_FILE": "/own/url",
        "DJANGO_DEBUG": "1",
        "CONVAI_API_KEY": "own-key",
        "CONVAI_BASE_URL": "https://own.example.org",
    }

    sandboxed = settings_for(tmp_path / "a b.sqlite3", "http://127.0.0.1:1", outer)
    vendors = settings_for(tmp_path / "a b.sqlite3", None, outer)

    assert sandboxed["PATH"] == "/bin"
    assert {"DATABASE_URL_FILE", "DJANGO_DEBUG"}.isdisjoint(sandboxed)
    assert sandboxed["CONVAI_BASE_URL"] == "http://127.0.0.1:1"
    assert sandboxed["CONVAI_API_KEY"] != "own-key"
    assert sandboxed["DATABASE_URL"].endswith("a%20b.sqlite3")
    assert vendors["CONVAI_API_KEY"] == "own-key"
    assert vendors["CONVAI_BASE_URL"] == "https://own.example.org"
