"""The catalogues: complete, of the strings that the code marks, and compiled from what is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest
from django.utils import translation

from convai_tokens.models import EndReason

APP = Path(__file__).resolve().parents[1] / "convai_tokens"
LANGUAGES = ["de", "es", "fr"]
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sdr]|\{\w+\}")


def catalogue(language: str, app: Path = APP) -> polib.POFile:
    return polib.pofile(str(app / "locale" / language / "LC_MESSAGES" / "django.po"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_string_is_left_untranslated(language: str) -> None:
    entries = catalogue(language)

    assert len(entries) > 400
    assert [entry.msgid for entry in entries if not entry.translated()] == []
    assert [entry.msgid for entry in entries if entry.fuzzy or entry.obsolete] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_translation_has_the_placeholders_and_the_edges_of_its_string(language: str) -> None:
    for entry in catalogue(language):
        texts = [entry.msgstr] if not entry.msgid_plural else entry.msgstr_plural.values()
        for text in texts:
            original = entry.msgid_plural or entry.msgid
            assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(original))
            assert text.startswith(" ") == original.startswith(" "), original
            assert text.endswith(" ") == original.endswith(" "), original


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    written = catalogue(language)
    compiled = polib.mofile(str(APP / "locale" / language / "LC_MESSAGES" / "django.mo"))

    assert {entry.msgid: entry.msgstr for entry in compiled} == {
        entry.msgid: entry.msgstr for entry in written
    }


def test_every_marked_string_is_in_the_catalogues(tmp_path: Path) -> None:
    if shutil.which("xgettext") is None:
        missing = "No gettext was found: on Debian, apt install gettext."
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    shutil.copytree(APP, tmp_path / "app")
    made = subprocess.run(
        [
            *(sys.executable, "-m", "django", "makemessages", "--no-location", "--no-obsolete"),
            *(f"--locale={language}" for language in LANGUAGES),
        ],
        cwd=tmp_path / "app",
        env={name: it for name, it in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert made.returncode == 0, made.stderr

    for language in LANGUAGES:
        marked = {entry.msgid for entry in catalogue(language, tmp_path / "app")}
        assert marked == {entry.msgid for entry in catalogue(language)}


@pytest.mark.parametrize(
    ("language", "text"), [("de", "Logout"), ("fr", "Déconnexion"), ("es", "Cierre de sesión")]
)
def test_the_site_s_language_is_what_people_read(language: str, text: str) -> None:
    with translation.override(language):
        assert str(EndReason.LOGOUT.label) == text
