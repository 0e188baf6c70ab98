"""What happens to a learner's account happens to the learner's sessions."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession
from tests.conftest import PASSWORD
from tests.lms.models import Pupil


def reasons() -> dict[str, str]:
    return {f"{s.username} {s.stack}": s.end_reason for s in LearnerSession.objects.all()}


@pytest.fixture
def everybody_logged_in(convai: Any, learner: Any, make_user: Any, log_in: Any) -> str:
    """Two sessions of the learner, one of another; return the other's token."""
    make_user("second-learner")
    log_in(client=Client())
    log_in("/login/knox/", client=Client())
    other = log_in(username="second-learner", client=Client())
    token: str = other.json()["convai"]["apiAuthToken"]
    return token


def test_a_deactivated_learners_sessions_end(
    convai: Any, learner: Any, everybody_logged_in: str
) -> None:
    learner.is_active = False
    learner.save()

    assert reasons() == {
        "learner session": EndReason.USER_DEACTIVATED,
        "learner knox": EndReason.USER_DEACTIVATED,
        "second-learner session": "",
    }
    assert convai.live() == [everybody_logged_in]


@pytest.mark.parametrize("by", ["instance", "queryset"])
def test_a_deleted_learners_sessions_end_and_stay_for_the_audit(
    convai: Any, learner: Any, everybody_logged_in: str, by: str
) -> None:
    if by == "instance":
        learner.delete()
    else:
        get_user_model().objects.filter(username="learner").delete()

    ended = LearnerSession.objects.filter(username="learner")
    assert {session.end_reason for session in ended} <= {
        EndReason.USER_DELETED,
        EndReason.CREDENTIAL_DELETED,
    }
    assert all(session.user_id is None and session.ended_at for session in ended)
    assert convai.live() == [everybody_logged_in]


def test_a_password_change_out_of_any_request_ends_all_django_sessions_of_the_learner(
    convai: Any, learner: Any, everybody_logged_in: str
) -> None:
    learner.set_password("another-password")
    learner.save(update_fields=["password"])

    assert reasons() == {
        "learner session": EndReason.PASSWORD_CHANGED,
        "learner knox": "",
        "second-learner session": "",
    }


def test_an_upgrade_of_the_password_hash_ends_nothing(
    convai: Any, learner: Any, everybody_logged_in: str, settings: Any
) -> None:
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.ScryptPasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]
    learner = get_user_model().objects.get(username="learner")
    before = learner.password

    assert learner.check_password(PASSWORD)

    assert learner.password != before
    assert set(reasons().values()) == {""}


def test_saving_a_learner_otherwise_ends_nothing(
    convai: Any, learner: Any, everybody_logged_in: str
) -> None:
    learner.first_name = "Another"
    learner.save()
    learner.save(update_fields=["last_login"])

    assert set(reasons().values()) == {""}


def test_a_deactivation_through_a_proxy_model_is_seen(
    convai: Any, learner: Any, everybody_logged_in: str
) -> None:
    pupil = Pupil.objects.get(pk=learner.pk)
    pupil.is_active = False
    pupil.save()

    assert convai.live() == [everybody_logged_in]


def test_the_sweep_sees_what_sends_no_signal(
    convai: Any, learner: Any, everybody_logged_in: str
) -> None:
    User.objects.filter(username="learner").update(is_active=False)
    assert len(convai.live()) == 3

    report = sweep(workers=1)

    assert report.ended == 2
    assert convai.live() == [everybody_logged_in]


def test_the_sweep_ends_sessions_whose_user_vanished(
    convai: Any, learner: Any, everybody_logged_in: str
) -> None:
    LearnerSession.objects.filter(username="learner").update(user=None)

    assert sweep(workers=1).ended == 2
    assert convai.live() == [everybody_logged_in]


def test_a_rolled_back_end_ends_nothing(
    convai: Any, learner: Any, everybody_logged_in: str
) -> None:
    with transaction.atomic():
        learner.is_active = False
        learner.save()
        assert not LearnerSession.objects.filter(user=learner, ended_at=None).exists()
        transaction.set_rollback(True)

    assert set(reasons().values()) == {""}
    assert not ConvaiToken.objects.owed().exists()
    assert len(convai.live()) == 3


@pytest.mark.parametrize("name", [4711, None], ids=str)
def test_a_user_whose_name_is_no_text_logs_in_like_any_other(
    convai: Any, learner: Any, log_in: Any, name: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(User, "get_username", lambda user: name)
    monkeypatch.setattr(User, "get_full_name", lambda user: "")

    block = log_in().json()["convai"]

    text = "" if name is None else "4711"
    shown = text or str(learner.pk)
    assert block["apiAuthToken"]
    assert (block["endUserId"], block["endUserName"]) == (str(learner.pk), shown)
    assert LearnerSession.objects.get().username == text
