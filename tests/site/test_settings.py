"""The site's settings, each read by a process of its own from a known environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONG = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PRODUCTION = {
    "DJANGO_SECRET_KEY": LONG,
    "DJANGO_ALLOWED_HOSTS": "lms.example.org, www.example.org",
    "CONVAI_API_KEY": "a-key",
    "CONVAI_ENCRYPTION_KEYS": LONG,
    "DJANGO_CACHE_URL": "dbcache://lms_cache",
}
SHOW = "import json; from lms_site import settings as s; print(json.dumps({}, default=str))"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with this environment alone."""
    plain = {"PATH": os.environ["PATH"], "DJANGO_ENV_FILE": os.devnull, **environment}
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=False)


def setting(expression: str, **environment: str) -> Any:
    """Return a setting as JSON has it; ``expression`` sees the settings as ``s``."""
    done = run("-c", SHOW.format(expression), **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_missing_secret_key_is_told_with_the_next_step() -> None:
    done = run("manage.py", "check", CONVAI_API_KEY="a-key")

    assert done.returncode != 0
    told = done.stderr.strip().splitlines()[-1]
    assert "DJANGO_SECRET_KEY is missing. Copy .env.example to .env" in told
    assert "DJANGO_DEBUG=1" in told


def test_debug_needs_no_secret_key() -> None:
    done = run("manage.py", "check", CONVAI_API_KEY="a-key", DJANGO_DEBUG="1")

    assert done.returncode == 0, done.stderr


def test_a_proper_production_environment_has_no_deploy_warning() -> None:
    done = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)

    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_an_environment_without_a_convai_key_fails_the_check() -> None:
    done = run("manage.py", "check", **{**PRODUCTION, "CONVAI_API_KEY": ""})

    assert done.returncode != 0
    assert "convai_tokens.E001" in done.stderr


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


def test_encryption_keys_are_a_list_and_left_out_when_blank() -> None:
    two = setting("s.CONVAI_TOKENS", **{**PRODUCTION, "CONVAI_ENCRYPTION_KEYS": "newer, older,"})
    blank = setting("s.CONVAI_TOKENS", **{**PRODUCTION, "CONVAI_ENCRYPTION_KEYS": ""})

    assert two["ENCRYPTION_KEYS"] == ["newer", "older"]
    assert "ENCRYPTION_KEYS" not in blank
    assert blank["BASE_URL"] == "https://api.convai.com"


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CONVAI_API_KEY=of-the-file\nDJANGO_SECRET_KEY=of-the-file\n")

    found = setting(
        "[s.SECRET_KEY, s.CONVAI_TOKENS['API_KEY']]",
        DJANGO_ENV_FILE=str(tmp_path / ".env"),
        CONVAI_API_KEY="of-the-environment",
    )

    assert found == ["of-the-file", "of-the-environment"]


def test_the_example_names_every_variable_that_is_read_and_no_other() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = set(re.findall(r"^#?([A-Z_]+?)(?:_FILE)?=", "\n".join(lines), re.MULTILINE))
    files = [ROOT / "lms_site" / name for name in ("settings.py", "environment.py")]
    code = "".join(file.read_text() for file in files)
    read = set(re.findall(r'(?:str|bool|int|cache_url|secret|words)\(\s*"([A-Z_]+)"', code))

    assert "DATABASE_URL" in read
    assert named == read


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


TRANSPORT = (
    "[s.SECURE_SSL_REDIRECT, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, "
    "s.SECURE_HSTS_SECONDS > 0]"
)


def test_https_is_demanded_unless_plain_http_is_asked_for() -> None:
    assert setting(TRANSPORT, **PRODUCTION) == [True] * 4
    assert setting(TRANSPORT, **PRODUCTION, DJANGO_INSECURE_HTTP="1") == [False] * 4
    assert setting(TRANSPORT, **PRODUCTION, DJANGO_DEBUG="1") == [False] * 4


def test_a_proxys_word_on_https_is_taken_only_when_there_is_one() -> None:
    expression = "getattr(s, 'SECURE_PROXY_SSL_HEADER', None)"

    assert setting(expression, **PRODUCTION) is None
    behind = setting(expression, **PRODUCTION, DJANGO_BEHIND_PROXY="1")
    assert behind == ["HTTP_X_FORWARDED_PROTO", "https"]
