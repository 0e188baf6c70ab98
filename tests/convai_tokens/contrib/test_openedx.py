"""The app as a plugin of Open edX; what its learners see is in ``tests/stacks``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.utils.module_loading import import_string
from edx_django_utils.plugins import constants

from convai_tokens.apps import ConvaiTokensConfig
from convai_tokens.contrib.openedx import MIDDLEWARE, plugin_settings


def test_the_middleware_is_added_once_and_at_the_end() -> None:
    settings = SimpleNamespace(MIDDLEWARE=["a.first.one"])

    plugin_settings(settings)
    plugin_settings(settings)

    assert settings.MIDDLEWARE == ["a.first.one", MIDDLEWARE]
    assert isinstance(import_string(MIDDLEWARE), type)


def test_what_the_files_say_counts_and_what_the_settings_say_counts_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONVAI_API_KEY", "of the environment")
    settings = SimpleNamespace(MIDDLEWARE=[])
    plugin_settings(settings)
    assert settings.CONVAI_TOKENS["API_KEY"] == "of the environment"

    settings = SimpleNamespace(
        MIDDLEWARE=[],
        ENV_TOKENS={"CONVAI_TOKENS": {"SERVER_URL": "of a file"}},
        AUTH_TOKENS={"CONVAI_TOKENS": {"API_KEY": "of a secret file"}},
        CONVAI_TOKENS={"SERVER_URL": "of the settings"},
    )
    plugin_settings(settings)
    assert settings.CONVAI_TOKENS["API_KEY"] == "of a secret file"
    assert settings.CONVAI_TOKENS["SERVER_URL"] == "of the settings"


def test_edx_finds_it() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    (path,) = project["entry-points"]["lms.djangoapp"].values()
    plugin = getattr(
        import_string(path.replace(":", ".")), constants.PLUGIN_APP_CLASS_ATTRIBUTE_NAME
    )

    assert path == f"{ConvaiTokensConfig.__module__}:{ConvaiTokensConfig.__name__}"
    assert {*plugin} == {constants.PluginURLs.CONFIG, constants.PluginSettings.CONFIG}
