"""Forget a person: revoke what may live, then put a pseudonym wherever the person was named.

Sessions, tokens and events stay, and the audit's chain still verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q

from ..models import (
    ConvaiToken,
    EndReason,
    EventKind,
    LearnerRate,
    LearnerSession,
    LearnerSessionQuerySet,
    StaffOrder,
    TokenEvent,
    database,
)
from .audit import record
from .ending_all import end_all
from .macs import overwrite_person
from .revocation import attempt
from .sealing import mac

BATCH = 500

Stopped = Callable[[], bool]


@dataclass
class Forgotten:
    """What was overwritten, and how many revocations are owed still."""

    pseudonym: str
    sessions: int = 0
    events: int = 0
    owed: int = 0


class Person:
    """Whom the tables name: by the user's id, and by the name of a user who was deleted."""

    def __init__(self, username: str) -> None:
        users = get_user_model()
        self.user_id: Any = None
        with suppress(ValueError, ValidationError):  # names may be numbers, and this none
            named = users._base_manager.filter(**{users.USERNAME_FIELD: username})
            self.user_id = named.values_list("pk", flat=True).first()
        self.username = username
        whose = f"id {self.user_id}" if self.user_id is not None else f"name {username}"
        self.pseudonym = f"forgotten-{mac('forgotten person', whose)[8:20]}"

    @property
    def sessions(self) -> LearnerSessionQuerySet:
        """The learner sessions."""
        whose = Q(user=None, username=self.username)
        if self.user_id is not None:
            whose |= Q(user_id=self.user_id)
        return LearnerSession.primary.filter(whose)

    @property
    def acts(self) -> Any:
        """The events of what the person did."""
        whose = Q(actor_id=self.user_id) if self.user_id is not None else Q(pk=None)
        return TokenEvent.primary.filter(whose)


def forget(person: Person, stopped: Stopped = lambda: False) -> Forgotten:
    """Revoke and overwrite; return what was done. It may be run again at any time.

    What Convai doesn't confirm now stays owed, under the pseudonym.
    """
    done = Forgotten(person.pseudonym)
    end_all(person.sessions, EndReason.FORGOTTEN, stopped)
    for keys in _batches(person.sessions):
        if stopped():
            return done
        owed = ConvaiToken.primary.owed().filter(session__in=keys)
        attempt(list(owed.values_list("pk", flat=True)))
        done.owed += owed.count()
        with transaction.atomic(using=database()):
            done.events += _overwrite(TokenEvent.primary.filter(session__in=keys), detail="")
            named = {"username": person.pseudonym, "device": "", "user": None}
            done.sessions += LearnerSession.primary.filter(pk__in=keys).update(**named)
            _forget_in_history(keys, person.pseudonym)
    while not stopped() and (acts := list(person.acts.values_list("pk", flat=True)[:BATCH])):
        with transaction.atomic(using=database()):
            found = TokenEvent.primary.filter(pk__in=acts)
            done.events += _overwrite(found, actor_id=None, actor_name=person.pseudonym)
    if person.user_id is not None:
        orders = StaffOrder.primary.filter(actor=person.user_id)
        orders.update(actor_name=person.pseudonym)
        LearnerRate.primary.filter(user=person.user_id).delete()
    record(EventKind.FORGOTTEN, detail=person.pseudonym)
    return done


def _batches(sessions: LearnerSessionQuerySet) -> Iterator[list[Any]]:
    """Yield the ids of the sessions; those of a batch aren't found any more after it."""
    before: list[Any] = []
    while keys := list(sessions.values_list("pk", flat=True)[:BATCH]):
        if keys == before:  # nothing was written
            return
        before = keys
        yield keys


def _overwrite(events: Any, **left: Any) -> int:
    count = 0
    for event in events.order_by("pk"):
        if all(getattr(event, name) == value for name, value in left.items()):
            continue
        try:
            overwrite_person(event, **left)
        except KeyError:  # its key is gone, so that nothing can tell about it anyway
            for name, value in left.items():
                setattr(event, name, value)
        TokenEvent.primary.forget(event)
        count += 1
    return count


def _forget_in_history(keys: list[Any], pseudonym: str) -> None:
    """Overwrite the names in the admin's own history of what staff did with these sessions."""
    if not apps.is_installed("django.contrib.admin"):
        return
    from django.contrib.admin.models import LogEntry
    from django.contrib.contenttypes.models import ContentType

    about = ContentType.objects.get_for_model(LearnerSession)
    entries = LogEntry.objects.filter(content_type=about, object_id__in=map(str, keys))
    entries.update(object_repr=pseudonym)
