"""The site's settings, each read by a process of its own from a known environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
    assert "no issues (1 silenced)" in done.stdout  # no HSTS preload


def test_an_environment_without_a_convai_key_is_warned_and_fails_the_check_for_deployment() -> None:
    blank = {**PRODUCTION, "CONVAI_API_KEY": ""}
    built, deployed = (
        run("manage.py", "check", **blank),
        run("manage.py", "check", "--deploy", **blank),
    )

    assert built.returncode == 0
    assert "convai_tokens.W021" in built.stderr
    assert deployed.returncode != 0
    assert "convai_tokens.E001" in deployed.stderr


def test_encryption_keys_are_a_list_and_left_out_when_blank() -> None:
    two = setting("s.CONVAI_TOKENS", **{**PRODUCTION, "CONVAI_ENCRYPTION_KEYS": "newer, older,"})
    blank = setting("s.CONVAI_TOKENS", **{**PRODUCTION, "CONVAI_ENCRYPTION_KEYS": ""})

    assert two["ENCRYPTION_KEYS"] == ["newer", "older"]
    assert "ENCRYPTION_KEYS" not in blank
    assert blank["BASE_URL"] == "https://api.convai.com"


def test_example_and_page_name_every_variable_that_is_read_and_no_other() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = set(re.findall(r"^#?([A-Z_]+?)(?:_FILE)?=", "\n".join(lines), re.MULTILINE))
    files = [ROOT / "lms_site" / name for name in ("settings.py", "environment.py")]
    code = "".join(file.read_text() for file in files)
    read = set(re.findall(r"(?:str|bool|int|secret|words)\(\s*[\"']([A-Z_]+)[\"']", code))

    assert "DATABASE_URL" in read
    assert named == read
    page = (ROOT / "docs" / "site.md").read_text()
    table = re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)
    assert sorted(table) == sorted({*read, "DJANGO_ENV_FILE"})


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


COOKIES = "[s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME]"


def test_the_cookies_have_names_of_this_host_alone_where_they_are_secure() -> None:
    assert setting(COOKIES, **PRODUCTION) == ["__Host-sessionid", "__Host-csrftoken"]


@pytest.mark.parametrize("name", ["DJANGO_INSECURE_HTTP", "DJANGO_DEBUG"])
def test_the_cookies_have_plain_names_over_plain_http(name: str) -> None:
    code = f"from django.conf import settings as s; print({COOKIES})"
    plain = {**PRODUCTION, "DJANGO_SETTINGS_MODULE": "lms_site.settings", name: "1"}

    assert run("-c", code, **plain).stdout == "['sessionid', 'csrftoken']\n"


def test_hsts_is_not_for_the_preload_list_unless_asked_for() -> None:
    assert setting("s.SECURE_HSTS_PRELOAD", **PRODUCTION) is False
    assert setting("s.SECURE_HSTS_PRELOAD", **PRODUCTION, DJANGO_HSTS_PRELOAD="1") is True


def test_an_idle_session_ends_after_half_an_hour_unless_told_otherwise() -> None:
    expression = "[s.SESSION_COOKIE_AGE, s.SESSION_SAVE_EVERY_REQUEST]"

    assert setting(expression, **PRODUCTION) == [1800, True]
    assert setting(expression, **PRODUCTION, DJANGO_SESSION_IDLE_MINUTES="5") == [300, True]


def test_the_address_of_a_login_is_the_proxys_word_only_where_there_is_a_proxy() -> None:
    expression = "s.REST_FRAMEWORK['NUM_PROXIES']"

    assert setting(expression, **PRODUCTION) == 0
    assert setting(expression, **PRODUCTION, DJANGO_BEHIND_PROXY="1") == 1


def test_the_rates_of_logins_come_from_the_environment() -> None:
    expression = "s.REST_FRAMEWORK['DEFAULT_THROTTLE_RATES']"
    more = {"DJANGO_LOGINS_PER_NAME": "20", "DJANGO_LOGINS_PER_ADDRESS": "6000"}

    usual, raised = setting(expression, **PRODUCTION), setting(expression, **PRODUCTION, **more)

    assert usual == {"login_name": "10/min", "login_address": "1200/min"}
    assert raised == {"login_name": "20/min", "login_address": "6000/min"}


def test_diffsettings_shows_no_secret() -> None:
    secrets = {
        "DJANGO_SECRET_KEY": "canary-1-" + "x" * 50,
        "CONVAI_API_KEY": "canary-2",
        "CONVAI_ENCRYPTION_KEYS": f"canary-3-{'x' * 40},canary-4-{'x' * 40}",
        "DJANGO_CACHE_URL": "rediscache://:canary-5@127.0.0.1/0",
    }

    done = run("manage.py", "diffsettings", "--all", **{**PRODUCTION, **secrets})

    assert "SECRET_KEY = '***'" in done.stdout, done.stderr
    assert "'ENCRYPTION_KEYS': ['***', '***']" in done.stdout
    assert "canary" not in done.stdout


def test_the_databases_password_is_shown_no_more() -> None:
    # Not by diffsettings, which needs the driver. It prints what this looks at.
    url = "postgres://lms:canary@127.0.0.1/lms"

    assert "canary" not in setting("repr(s.DATABASES)", **PRODUCTION, DATABASE_URL=url)
    assert setting("s.DATABASES", **PRODUCTION, DATABASE_URL=url)["default"]["PASSWORD"] == "canary"


def test_collectstatic_copies_the_admins_files(tmp_path: Path) -> None:
    there = {**PRODUCTION, "DJANGO_STATIC_ROOT": str(tmp_path / "static")}

    done = run("manage.py", "collectstatic", "--noinput", **there)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "static/admin/css/base.css").exists()
