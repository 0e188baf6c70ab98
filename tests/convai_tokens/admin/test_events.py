"""Token events in the admin: the list, and who sees them."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from convai_tokens.lifecycle import ending
from convai_tokens.lifecycle.sealing import fingerprint
from convai_tokens.models import ConvaiToken, EventKind, TokenEvent
from convai_tokens.secret import Secret
from tests.convai_tokens.admin.rows import EVENTS, listed, make_token, staff_client

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("three_tokens")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=generated", 3),
        ("q=learner-2", 2),
        (f"q={fingerprint(Secret('two'))}", 1),
        ("q=%20", 5),
        ("q=nobody", 0),
    ],
)
def test_filters_and_search_find(auditor: Client, query: str, found: int) -> None:
    page = auditor.get(f"{EVENTS}?{query}")

    assert page.status_code == 200
    assert len(listed(page)) == found


def test_an_auditor_who_may_not_see_events_sees_none(pages: list[str]) -> None:
    client = staff_client("auditor", "view_learnersession", "view_convaitoken")

    assert client.get(pages[2]).status_code == 403
    for page in pages[:2]:
        content = client.get(page).content.decode()
        assert 'id="tokenevent-table"' not in content
    assert 'id="convaitoken-table"' in client.get(pages[0]).content.decode()


def test_a_deleted_staff_member_leaves_the_events(administrator: Client) -> None:
    token = make_token()
    actor = get_user_model().objects.create_user("staff-who-leaves", is_staff=True)
    ending.revoke_tokens(ConvaiToken.objects.all(), detail="Revoked by staff", actor=actor)
    before = TokenEvent.objects.count()

    administrator.post(f"/admin/auth/user/{actor.pk}/delete/", {"post": "yes"})

    assert not get_user_model().objects.filter(pk=actor.pk).exists()
    assert TokenEvent.objects.count() == before
    event = TokenEvent.objects.get(token=token, kind=EventKind.OWED)
    assert (event.actor_name, event.detail) == ("staff-who-leaves", "Revoked by staff")
