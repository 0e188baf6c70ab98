"""The audit in Django's admin: read-only without exception, and no page knows a token value."""

from .events import TokenEventAdmin
from .sessions import LearnerSessionAdmin
from .tokens import ConvaiTokenAdmin

__all__ = ["ConvaiTokenAdmin", "LearnerSessionAdmin", "TokenEventAdmin"]
