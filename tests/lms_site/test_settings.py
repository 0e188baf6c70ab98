"""The site's settings, each read by a process of its own from a known environment."""

from __future__ import annotations

import re

from tests.lms_site.environments import PRODUCTION, ROOT, run, setting


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


def test_encryption_keys_are_a_list_and_left_out_when_blank() -> None:
    two = setting("s.CONVAI_TOKENS", **{**PRODUCTION, "CONVAI_ENCRYPTION_KEYS": "newer, older,"})
    blank = setting("s.CONVAI_TOKENS", **{**PRODUCTION, "CONVAI_ENCRYPTION_KEYS": ""})

    assert two["ENCRYPTION_KEYS"] == ["newer", "older"]
    assert "ENCRYPTION_KEYS" not in blank
    assert blank["BASE_URL"] == "https://api.convai.com"


def test_the_example_names_every_variable_that_is_read_and_no_other() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = set(re.findall(r"^#?([A-Z_]+?)(?:_FILE)?=", "\n".join(lines), re.MULTILINE))
    files = [ROOT / "lms_site" / name for name in ("settings.py", "environment.py")]
    code = "".join(file.read_text() for file in files)
    read = set(re.findall(r'(?:str|bool|int|cache_url|secret|words)\(\s*"([A-Z_]+)"', code))

    assert "DATABASE_URL" in read
    assert named == read


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
