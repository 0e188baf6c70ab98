"""The tables: learner sessions, their Convai tokens, the events of both; and learners' rates.

Only ``lifecycle/`` changes their state. All times are aware UTC.
"""

from .base import database, username_of
from .ends import EndOfSessions
from .events import TokenEvent
from .moments import MomentField
from .rates import LearnerRate
from .sessions import DEVICE_LENGTH, LearnerSession, LearnerSessionQuerySet
from .tokens import ConvaiToken, ConvaiTokenQuerySet
from .words import LIVE, REVOCABLE, EndReason, EventKind, TokenStatus

__all__ = [
    "DEVICE_LENGTH",
    "LIVE",
    "REVOCABLE",
    "ConvaiToken",
    "ConvaiTokenQuerySet",
    "EndOfSessions",
    "EndReason",
    "EventKind",
    "LearnerRate",
    "LearnerSession",
    "LearnerSessionQuerySet",
    "MomentField",
    "TokenEvent",
    "TokenStatus",
    "database",
    "username_of",
]
