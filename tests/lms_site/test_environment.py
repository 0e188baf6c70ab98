"""What the environment, files and `.env` say, as the settings have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lms_site.environments import PRODUCTION, ROOT, run, setting


def test_secrets_come_from_files_without_the_newline_at_their_end(tmp_path: Path) -> None:
    names = ("DJANGO_SECRET_KEY", "CONVAI_API_KEY", "CONVAI_ENCRYPTION_KEYS")
    files = {f"{name}_FILE": str(tmp_path / name) for name in names}
    for name in names:
        (tmp_path / name).write_text(f"of-{name}\n")
    (tmp_path / "url").write_text("postgres://lms:of-a-file@127.0.0.1/lms\n")

    found = setting(
        "[s.SECRET_KEY, s.CONVAI_TOKENS, s.DATABASES['default']['PASSWORD']]",
        **files,
        DATABASE_URL_FILE=str(tmp_path / "url"),
    )

    assert found[0] == "of-DJANGO_SECRET_KEY"
    assert found[1]["API_KEY"] == "of-CONVAI_API_KEY"
    assert found[1]["ENCRYPTION_KEYS"] == ["of-CONVAI_ENCRYPTION_KEYS"]
    assert found[2] == "of-a-file"


def test_a_secret_file_that_is_missing_is_told_by_its_variable(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")

    done = run("manage.py", "check", **PRODUCTION, CONVAI_API_KEY_FILE=missing)

    assert done.returncode != 0
    assert (
        "The file that CONVAI_API_KEY_FILE names can't be read"
        in done.stderr.strip().splitlines()[-1]
    )


@pytest.mark.parametrize("name", ["DJANGO_SECRET_KEY", "CONVAI_API_KEY"])
def test_a_secret_that_begins_with_a_dollar_sign_is_no_reference(name: str) -> None:
    found = setting("[s.SECRET_KEY, s.CONVAI_TOKENS['API_KEY']]", **{**PRODUCTION, name: "$HOME"})

    assert "$HOME" in found


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CONVAI_API_KEY=of-the-file\nDJANGO_SECRET_KEY=of-the-file\n")

    found = setting(
        "[s.SECRET_KEY, s.CONVAI_TOKENS['API_KEY']]",
        DJANGO_ENV_FILE=str(tmp_path / ".env"),
        CONVAI_API_KEY="of-the-environment",
    )

    assert found == ["of-the-file", "of-the-environment"]


def test_sqlite_is_tuned_for_concurrent_logins() -> None:
    database = setting("s.DATABASES['default']", **PRODUCTION)

    assert database["NAME"] == str(ROOT / "db.sqlite3")
    assert database["OPTIONS"] == {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }


@pytest.mark.parametrize(
    ("url", "engine"),
    [
        ("postgres://lms:p%40ss@127.0.0.1:5432/lms", "django.db.backends.postgresql"),
        ("mysql://lms:p%40ss@127.0.0.1:3306/lms", "django.db.backends.mysql"),
    ],
)
def test_other_databases_keep_and_check_their_connections(url: str, engine: str) -> None:
    database = setting("s.DATABASES['default']", **PRODUCTION, DATABASE_URL=url)

    assert (database["ENGINE"], database["PASSWORD"]) == (engine, "p@ss")
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (60, True)
    assert "transaction_mode" not in database.get("OPTIONS", {})


def test_requests_are_atomic_when_asked_for() -> None:
    expression = "s.DATABASES['default']['ATOMIC_REQUESTS']"

    assert setting(expression, **PRODUCTION, DJANGO_ATOMIC_REQUESTS="1") is True
    assert setting(expression, **PRODUCTION) is False


def test_a_blank_list_is_empty_and_white_space_around_words_goes() -> None:
    expression = "s.ALLOWED_HOSTS"

    assert setting(expression, **{**PRODUCTION, "DJANGO_ALLOWED_HOSTS": " a.example ,, b "}) == [
        "a.example",
        "b",
    ]
    assert setting(expression, **{**PRODUCTION, "DJANGO_ALLOWED_HOSTS": " "}) == []
