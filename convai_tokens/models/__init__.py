"""The tables: learner sessions, their Convai tokens, the events of both; and what serves them.

Only ``lifecycle/`` changes their state. All times are aware UTC.
"""

from .base import database, username_of
from .counts import EventCount
from .ends import EndOfSessions
from .events import MAC_LENGTH, TokenEvent
from .links import AuditLink
from .moments import MomentField
from .orders import StaffOrder
from .processes import ProcessState
from .rates import LearnerRate
from .sessions import DEVICE_LENGTH, LearnerSession, LearnerSessionQuerySet
from .tokens import ConvaiToken, ConvaiTokenQuerySet
from .words import (
    LIVE,
    REVOCABLE,
    EndReason,
    EventKind,
    OrderKind,
    ProcessPart,
    TokenStatus,
)

__all__ = [
    "DEVICE_LENGTH",
    "LIVE",
    "MAC_LENGTH",
    "REVOCABLE",
    "AuditLink",
    "ConvaiToken",
    "ConvaiTokenQuerySet",
    "EndOfSessions",
    "EndReason",
    "EventCount",
    "EventKind",
    "LearnerRate",
    "LearnerSession",
    "LearnerSessionQuerySet",
    "MomentField",
    "OrderKind",
    "ProcessPart",
    "ProcessState",
    "StaffOrder",
    "TokenEvent",
    "TokenStatus",
    "database",
    "username_of",
]
