"""What a Django session carries of its learner session: its id, its user, the login's device.

The user, since whatever swaps the user in a session makes it another learner's.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase

from ..lifecycle.credential import Credential

SESSION_DATA_KEY = "convai_learner_session"


def remember(session: SessionBase, credential: Credential, device: str = "") -> None:
    """Write the id of its learner session into a Django session, for the user who is logged in.

    And the device that the login named, since the learner session may start with a later request.
    """
    session_id = credential.session_ids[0]
    device = device or device_in(session)
    if learner_session_id(session) != session_id or device != device_in(session):
        session[SESSION_DATA_KEY] = [str(session_id), session[SESSION_KEY], device][
            : 2 + bool(device)
        ]


def device_in(session: SessionBase) -> str:
    """Return the device that the login of the session's present user named; empty if none."""
    if learner_session_id(session) is None:
        return ""
    _, _, *device = session[SESSION_DATA_KEY]
    return str(device[0]) if device else ""


def learner_session_id(session: SessionBase | None) -> uuid.UUID | None:
    """Return the learner session's id that the Django session carries for its present user.

    An id that was written for another user doesn't count: whatever swapped the user in the session
    made it another learner's.
    """
    if session is None:
        return None
    return learner_session_id_of(session.get(SESSION_DATA_KEY), session.get(SESSION_KEY))


def learner_session_id_of(datum: Any, user: object) -> uuid.UUID | None:
    """Return the id in the datum ``[id, user, device]`` if that was written for ``user``."""
    try:
        text, owner, *_ = datum
        return uuid.UUID(text) if owner == user else None
    except (TypeError, ValueError, AttributeError):
        return None
