"""The addresses of the token endpoint, by the names that an LMS may reverse."""

from __future__ import annotations

import pytest
from django.urls import resolve, reverse

from convai_tokens.views import ExtendView, LearnerSessionView, TokenView


@pytest.mark.parametrize(
    ("name", "path", "view"),
    [("token", "/convai/token/", TokenView), ("extend", "/convai/token/extend/", ExtendView)],
)
def test_each_name_leads_to_its_view(name: str, path: str, view: type[LearnerSessionView]) -> None:
    assert reverse(f"convai_tokens:{name}") == path
    assert getattr(resolve(path).func, "view_class", None) is view
