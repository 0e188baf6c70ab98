"""What the admin's actions share: a permission, a question first, and the staff member's name."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext

from convai_tokens.admin import actions
from convai_tokens.lifecycle import ending
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import (
    ConvaiToken,
    EventKind,
    LearnerSession,
    StaffOrder,
    TokenEvent,
    TokenStatus,
)
from convai_tokens.models.moments import utc_now
from tests.convai_tokens.admin.rows import (
    SESSIONS,
    TOKENS,
    VIEWS,
    act,
    confirmation,
    make_session,
    make_token,
    messages,
    staff_client,
    untouched,
)

pytestmark = pytest.mark.django_db
ACTIONS = [
    (TOKENS, "revoke_selected", "revoke_convaitoken"),
    (SESSIONS, "end_selected", "end_learnersession"),
]


def test_an_action_stands_in_the_rows_history_and_the_staff_members(
    revoker: Client, ender: Client
) -> None:
    token = make_token()

    act(revoker, TOKENS, "revoke_selected", token, confirmed="yes")
    act(ender, SESSIONS, "end_selected", token.session, confirmed="yes")

    entries = LogEntry.objects.order_by("pk").values_list(
        "user__username", "object_id", "change_message"
    )
    assert list(entries) == [
        ("revoker", str(token.pk), "Revoked the token."),
        ("ender", str(token.session_id), "Ended the learner session."),
    ]
    history = revoker.get(f"{TOKENS}{token.pk}/history/").content.decode()
    assert "Revoked the token." in history
    history = ender.get(f"{SESSIONS}{token.session_id}/history/").content.decode()
    assert "Ended the learner session." in history


@pytest.mark.parametrize(("address", "action", "permission"), ACTIONS)
def test_an_action_is_offered_with_its_permission_alone(
    address: str, action: str, permission: str
) -> None:
    make_token()
    others = [name for _address, _action, name in ACTIONS if name != permission]

    may = staff_client("may", *VIEWS, permission).get(address).content.decode()
    may_not = staff_client("may-not", *VIEWS, *others).get(address).content.decode()

    assert f'value="{action}"' in may
    assert action not in may_not


@pytest.mark.parametrize("extra", [{}, {"confirmed": "yes"}])
@pytest.mark.parametrize("across", ["0", "1"])
@pytest.mark.parametrize(("address", "action", "permission"), ACTIONS)
def test_a_crafted_post_without_the_permission_does_nothing(
    address: str, action: str, permission: str, across: str, extra: dict[str, str]
) -> None:
    token = make_token()
    row = token if address == TOKENS else token.session
    others = [name for _address, _action, name in ACTIONS if name != permission]
    auditor = staff_client("auditor", *VIEWS, *others)

    page = act(auditor, address, action, row, select_across=across, **extra)

    assert page.status_code == 200
    assert untouched(token)


@pytest.mark.parametrize(("address", "action", "permission"), ACTIONS)
def test_a_permission_to_act_is_none_without_the_one_to_view(
    address: str, action: str, permission: str
) -> None:
    token = make_token()
    row = token if address == TOKENS else token.session

    page = act(staff_client("staff", permission), address, action, row, confirmed="yes")

    assert page.status_code == 403
    assert untouched(token)


@pytest.mark.parametrize(("address", "action", "permission"), ACTIONS)
def test_the_confirmation_is_safe_from_other_sites(
    address: str, action: str, permission: str
) -> None:
    token = make_token()
    row = token if address == TOKENS else token.session
    client = Client(enforce_csrf_checks=True)
    client.force_login(get_user_model().objects.create_superuser("administrator"))

    page = act(client, address, action, row, confirmed="yes")

    assert page.status_code == 403
    assert untouched(token)


def test_select_all_reaches_every_page_and_stays_within_the_filter(
    revoker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "CHUNK", 7)
    monkeypatch.setattr(actions, "SHOWN", 10)
    mine = [make_token(make_session(), f"mine-{number}") for number in range(60)]
    make_token(make_session("somebody"), "theirs")
    address = f"{TOKENS}?q=learner"

    asked = act(revoker, address, "revoke_selected", *mine[:50], select_across="1")
    content = asked.content.decode()
    assert "60 Convai tokens are affected." in content
    assert sum(token.fingerprint in content for token in mine) == 10
    assert "And 50 more." in content
    data = confirmation(asked)
    done = revoker.post(address, data, follow=True)

    assert len(data[ACTION_CHECKBOX_NAME]) == 50
    assert messages(done) == ["60 tokens are being revoked."]
    owed = ConvaiToken.objects.filter(status=TokenStatus.REVOKING)
    assert set(owed.values_list("session__username", flat=True)) == {"learner"}
    assert owed.count() == LogEntry.objects.count() == 60
    assert done.redirect_chain == [(address, 302)]


@pytest.mark.parametrize(("address", "action", "permission"), ACTIONS)
@pytest.mark.parametrize("query", ["", "?q=learner", "?state={state}"])
def test_more_than_a_request_may_wait_for_is_ordered_and_the_sweep_does_it(
    monkeypatch: pytest.MonkeyPatch,
    convai: Any,
    address: str,
    action: str,
    permission: str,
    query: str,
) -> None:
    monkeypatch.setattr(actions, "MOST", 2)
    tokens = [make_token(make_session(), f"mine-{number}") for number in range(4)]
    query = query.format(state="open" if address == SESSIONS else "live")
    if query == "?q=learner":
        make_token(make_session("somebody"), "theirs")
    rows = tokens if address == TOKENS else [token.session for token in tokens]
    client = staff_client("staff", *VIEWS, permission)

    asked = act(client, address + query, action, *rows[:2], select_across="1")
    assert re.search(r"<strong>4 [\w ]+ are affected\.", asked.content.decode())
    assert "left to the sweep" in asked.content.decode()
    done = client.post(address + query, confirmation(asked), follow=True)

    assert messages(done) == [
        "The sweep does it with its next pass. The overview shows how far it is."
    ]
    assert all(map(untouched, tokens))
    assert (StaffOrder.objects.get().found, StaffOrder.objects.get().actor_name) == (4, "staff")
    later = make_token(make_session(), "later")
    LearnerSession.objects.filter(pk=later.session_id).update(
        started_at=utc_now() + timedelta(minutes=1)
    )
    ConvaiToken.objects.filter(pk=later.pk).update(generated_at=utc_now() + timedelta(minutes=1))
    assert sweep(workers=1).ordered == 4
    told = TokenEvent.objects.filter(kind=EventKind.OWED, actor_name="staff")
    assert set(told.values_list("token", flat=True)) == {token.pk for token in tokens}


def test_of_so_many_that_they_are_not_counted_at_least_is_told(
    ender: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "COUNT_CAP", 2)
    sessions = [make_session() for _ in range(3)]

    asked = act(ender, SESSIONS, "end_selected", *sessions, select_across="1")

    assert "At least 2 learner sessions are affected." in asked.content.decode()


def test_a_selection_without_select_all_is_all_that_is_touched(revoker: Client) -> None:
    tokens = [make_token(value=f"value-{number}") for number in range(3)]

    act(revoker, TOKENS, "revoke_selected", tokens[1], confirmed="yes")

    assert list(ConvaiToken.objects.filter(status=TokenStatus.REVOKING)) == [tokens[1]]


@pytest.mark.parametrize(("address", "action", "permission"), ACTIONS)
def test_a_confirmation_that_comes_too_late_claims_nothing(
    address: str, action: str, permission: str
) -> None:
    client = staff_client("staff", *VIEWS, permission)
    token = make_token()
    row = token if address == TOKENS else token.session
    asked = act(client, address, action, row)
    client.post(address, confirmation(asked), follow=True)
    events = TokenEvent.objects.count()

    again = client.post(address, confirmation(asked), follow=True)

    assert messages(again)[0].startswith("0 ")
    assert TokenEvent.objects.count() == events
    assert LogEntry.objects.count() == 1


def test_what_somebody_else_does_meanwhile_stays_theirs(
    revoker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = make_token(value="mine"), make_token(value="theirs")
    somebody = get_user_model().objects.create_user("somebody")

    def chunks_while_somebody_revokes(selected: QuerySet[ConvaiToken]) -> list[list[int]]:
        keys = [token.pk for token in selected]
        one = ConvaiToken.primary.filter(pk=theirs.pk)
        ending.revoke_tokens(one, detail="Revoked by somebody", actor=somebody)
        return [keys]

    monkeypatch.setattr(actions, "chunks", chunks_while_somebody_revokes)
    page = act(revoker, TOKENS, "revoke_selected", mine, theirs, confirmed="yes")

    assert messages(page) == ["1 token is being revoked."]
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(mine.pk)]
    owed = TokenEvent.objects.filter(kind=EventKind.OWED)
    assert dict(owed.values_list("token", "actor__username")) == {
        mine.pk: "revoker",
        theirs.pk: "somebody",
    }


def test_the_confirmation_costs_as_many_queries_for_40_rows_as_for_one(revoker: Client) -> None:
    counts = []
    for rows in [1, 39]:
        for number in range(rows):
            make_token(make_session(), f"value-{rows}-{number}")
        revoker.get(TOKENS)  # fills the cache of content types
        with CaptureQueriesContext(connection) as queries:
            act(revoker, TOKENS, "revoke_selected", *ConvaiToken.objects.all())
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_what_a_learner_is_called_is_escaped_on_the_confirmation(ender: Client) -> None:
    session = make_session("<script>alert(1)</script>", device="<b>kiosk</b>")

    asked = act(ender, SESSIONS, "end_selected", session)

    content = asked.content.decode()
    assert "&lt;script&gt;alert(1)" in content
    assert "<script>alert(1)" not in content
    assert "<b>kiosk" not in content
