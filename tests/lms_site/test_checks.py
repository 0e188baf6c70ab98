"""The site's own system check: who may read `.env`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lms_site.environments import PRODUCTION, run


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    file = tmp_path / ".env"
    file.write_text("CONVAI_API_KEY=of-the-file\n")
    return file


def check(file: Path) -> str:
    done = run("manage.py", "check", **{**PRODUCTION, "DJANGO_ENV_FILE": str(file)})
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


def test_an_env_file_that_everybody_may_read_is_told_with_the_next_step(env_file: Path) -> None:
    env_file.chmod(0o644)

    told = check(env_file)

    assert "lms_site.W001" in told
    assert f"HINT: Let its owner alone read it: chmod 600 {env_file}" in told


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_an_env_file_of_the_owner_or_the_group_is_fine(env_file: Path, mode: int) -> None:
    env_file.chmod(mode)

    assert "no issues" in check(env_file)


def test_no_env_file_is_fine(tmp_path: Path) -> None:
    assert "no issues" in check(tmp_path / "none")
