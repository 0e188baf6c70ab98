"""The tables on a row's page: for those who may see them."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.convai_tokens.admin.rows import SESSIONS, TOKENS, make_token, staff_client

pytestmark = pytest.mark.django_db


def test_a_table_is_shown_only_to_those_who_may_see_its_rows() -> None:
    token = make_token()
    client = staff_client("staff", "view_learnersession", "view_tokenevent")

    content = client.get(f"{SESSIONS}{token.session_id}/change/").content.decode()

    assert 'id="convaitoken-table"' not in content
    assert 'id="tokenevent-table"' in content
    assert f"{TOKENS}{token.pk}/change/" not in content
    assert token.fingerprint in content


def test_a_long_table_can_be_scrolled_by_the_keyboard(auditor: Client) -> None:
    token = make_token()

    content = auditor.get(f"{TOKENS}{token.pk}/change/").content.decode()

    assert 'tabindex="0" role="region" aria-label="Events"' in content
