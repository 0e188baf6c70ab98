"""What is noted on a request, for the middleware."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from convai_tokens.api import bind_login
from convai_tokens.logins.notes import noted_login
from convai_tokens.models import LearnerSession


@pytest.mark.parametrize(
    ("given", "device"),
    [("Ward 3", "Ward 3"), ("Ward\n3", "Ward 3"), (7, ""), ("w " * 100, ("w " * 60).rstrip())],
)
def test_the_device_is_noted_clean_and_short(
    convai: Any, learner: Any, log_in: Any, given: Any, device: str
) -> None:
    log_in(device=given)

    assert LearnerSession.objects.get().device.rstrip() == device


def test_a_body_that_is_no_json_has_no_device(learner: Any) -> None:
    request = RequestFactory().post("/", "{", content_type="application/json")

    bind_login(request, learner, stack="custom", identity="a credential")

    note = noted_login(request)
    assert note is not None
    assert note.device == ""
