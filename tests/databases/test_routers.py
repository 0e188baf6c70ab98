"""A site that reads from a replica: what has just been written is read where it was written."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.test import RequestFactory
from django.utils.connection import ConnectionDoesNotExist
from knox.models import AuthToken

from convai_tokens.contrib import knox
from convai_tokens.exceptions import SessionEnded
from convai_tokens.lifecycle import ending, issuing, opening
from convai_tokens.lifecycle.opening import Opener
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.logins.credentials import is_stored, session_credential, session_key
from convai_tokens.models import LIVE, ConvaiToken, EndReason, LearnerSession
from convai_tokens.secret import Secret
from tests.builders import login_response, open_session
from tests.lms import routers


@pytest.fixture
def replica(convai: Any, settings: Any) -> None:
    settings.DATABASE_ROUTERS = [routers.PATH]


@pytest.fixture
def session(learner: Any) -> Any:
    """A Django session of the learner, as login() leaves it."""
    store = import_module(site_settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(learner.pk)
    store[BACKEND_SESSION_KEY] = site_settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = learner.get_session_auth_hash()
    store.save()
    return store


@pytest.mark.usefixtures("replica")
def test_the_router_of_these_tests_does_fail_who_reads_from_the_replica() -> None:
    with pytest.raises(ConnectionDoesNotExist):
        ConvaiToken.objects.count()


@pytest.mark.usefixtures("replica")
def test_the_life_of_a_token_is_read_where_it_is_written(
    convai: Any, convai_settings: Any, learner: Any
) -> None:
    convai_settings(MAX_LIVE_TOKENS=2)
    session = open_session(learner)
    for _ in range(4):
        issuing.generate(session)
    tokens = ConvaiToken.objects.using("default")
    assert tokens.filter(status__in=LIVE).count() == 2
    issuing.extend(session)

    assert ending.end_session(session.pk, EndReason.LOGOUT)
    assert sweep(workers=1).failed == 0

    assert not tokens.filter(status__in=LIVE).exists()
    assert convai.live() == []
    with pytest.raises(SessionEnded):
        issuing.generate(session)


def test_a_login_that_the_replica_has_not_heard_of_is_alive(
    learner: Any, session: Any, replica: None
) -> None:
    opened = opening.open_session(Opener(session_credential(session), learner))

    assert opened.ended_at is None
    assert is_stored(session, session_key(session))
    assert not is_stored(session, Secret("another key"))


@pytest.mark.usefixtures("replica")
def test_a_knox_login_that_the_replica_has_not_heard_of_is_found(learner: Any) -> None:
    instance, token = AuthToken.objects.create(learner)

    assert [*knox.handed_out(login_response({"token": token}))] == [(learner.pk, instance.digest)]
    assert knox.is_alive(instance.digest)


@pytest.mark.parametrize("model", [LearnerSession, ConvaiToken])
def test_an_action_of_staff_that_the_replica_has_not_heard_of_is_in_the_admins_history(
    convai: Any,
    log_in: Any,
    learner: Any,
    make_user: Any,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    model: Any,
) -> None:
    log_in()
    page: Any = admin.site.get_model_admin(model)
    request = RequestFactory().post("/", {"confirmed": "1"})
    request.user = make_user("staff")
    settings.DATABASE_ROUTERS = [routers.PATH]
    told: list[str] = []
    monkeypatch.setattr(page, "message_user", lambda request, text, level: told.append(text))
    (action,) = page.actions

    action(page, request, page.get_queryset(request))

    assert told[0].startswith("1 ")
    assert LogEntry.objects.using("default").count() == 1
