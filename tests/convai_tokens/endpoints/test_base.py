"""What all endpoints share: errors of one shape, and JSON for whoever asks."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

PATHS = ["/convai/token/", "/convai/token/extend/", "/convai/sessions/"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_a_browser_gets_json_too_and_no_cache_may_keep_it(path: str) -> None:
    answer = Client().delete(path, headers={"Accept": "text/html"})

    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["error"].keys() == {"code", "message"}
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", PATHS)
def test_a_method_that_is_not_known_is_told_with_those_that_are(
    convai: Any, learner: Any, client: Client, log_in: Any, path: str
) -> None:
    log_in()

    answer = client.put(path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert "OPTIONS" in answer["Allow"]
