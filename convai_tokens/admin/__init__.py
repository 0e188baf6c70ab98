"""The audit in Django's admin: read-only without exception, and no page knows a token value."""

from .pages import ConvaiTokenAdmin, LearnerSessionAdmin, TokenEventAdmin

__all__ = ["ConvaiTokenAdmin", "LearnerSessionAdmin", "TokenEventAdmin"]
