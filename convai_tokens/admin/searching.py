"""One search for all lists: whom and what a text may name, each found by an index."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import connections
from django.db.models import CharField, F, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..models import ConvaiToken, LearnerSession, TokenEvent, database

CAP = 400  # rows of each kind that are found, the newest
USERS = 100  # that a text may name
FINGERPRINT = re.compile(r"[0-9a-f]{4,12}")


@dataclass
class Found:
    """What a text names: sessions, tokens by their fingerprint, events by who acted."""

    term: str
    users: list[Any] = field(default_factory=list)
    sessions: list[uuid.UUID] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    acts: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, term: str) -> Found:
        """Look the text up. Asks the database a fixed number of times."""
        found = cls(term)
        found.users = list(_users(term).values_list("pk", flat=True)[:USERS])
        sessions = LearnerSession.objects.values_list("pk", flat=True)
        theirs = sessions.filter(user__in=found.users).order_by("-started_at", "-pk")
        named = sessions.filter(begins_with("username", term)).order_by()
        found.sessions = [*dict.fromkeys([*theirs[:CAP], *named[:CAP]])][:CAP]
        if FINGERPRINT.fullmatch(term.lower()):
            marked = ConvaiToken.objects.filter(begins_with("fingerprint", term.lower()))
            found.tokens = list(marked.order_by().values_list("pk", flat=True)[:CAP])
        acted = TokenEvent.objects.filter(actor__isnull=False)
        by = Q(actor__in=found.users) | Q(actor_name__startswith=term)
        found.acts = list(acted.filter(by).order_by().values_list("pk", flat=True)[:CAP])
        return found

    @property
    def told(self) -> list[str]:
        """What was searched, and how much of it was found, in words."""
        sessions, tokens, acts = len(self.sessions), len(self.tokens), len(self.acts)
        told = [
            ngettext(
                "learners by username, name or e-mail address: %d session",
                "learners by username, name or e-mail address: %d sessions",
                sessions,
            )
            % sessions,
            ngettext("fingerprints: %d token", "fingerprints: %d tokens", tokens) % tokens,
            ngettext("staff members: %d event", "staff members: %d events", acts) % acts,
        ]
        if max(sessions, tokens, acts) >= CAP:
            told.append(_("no more than %d of each") % CAP)
        return told


def begins_with(name: str, text: str) -> Q:
    """Return the condition that a column begins with the text, in a way that an index answers.

    MariaDB compares it as binary text, which no index has: so by a range as well. PostgreSQL orders
    texts by the rules of a language, which no prefix follows; its index is made for prefixes.
    """
    begins = Q(**{f"{name}__startswith": text})
    if connections[database()].vendor == "postgresql":
        return begins
    return begins & Q(**{f"{name}__gte": text, f"{name}__lte": f"{text}\uffff"})


def _users(term: str) -> Any:
    """Return the users whom a text names, by the fields that the site's user model has."""
    model: Any = get_user_model()
    email = getattr(model, "get_email_field_name", lambda: "email")()
    names = {model.USERNAME_FIELD, "first_name", "last_name", email}
    fields = [name for name in sorted(names) if _is_text(model, name)]
    ways = [Q(**{f"{name}__istartswith": term}) for name in fields]
    first, _space, last = term.partition(" ")
    if last and {"first_name", "last_name"} <= {*fields}:
        ways.append(Q(first_name__istartswith=first, last_name__istartswith=last.strip()))
    return model._base_manager.filter(reduce(or_, ways)) if ways else model._base_manager.none()


def _is_text(model: Any, name: str) -> bool:
    try:
        return isinstance(model._meta.get_field(name), CharField)
    except FieldDoesNotExist:
        return False


def newest(rows: QuerySet[Any], **by: list[Any]) -> list[int]:
    """Return the keys of the newest rows that one of these lists holds, by its column.

    Sorted by no index's order: to walk that one until enough rows match would read the table.
    """
    keys: list[int] = []
    for name, values in by.items():
        found = rows.filter(**{f"{name}__in": values}).order_by((F("pk") + 0).desc())
        keys += found.values_list("pk", flat=True)[:CAP] if values else []
    return keys
