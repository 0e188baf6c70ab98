"""What a session ended by, where a token stands, which step an event records."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class EndReason(models.TextChoices):
    """What ended a learner session."""

    LOGOUT = "logout", _("Logout")
    LOGOUT_ALL = "logout_all", _("Logout from all devices")
    REPLACED = "replaced", _("Replaced by another login")
    SESSION_DELETED = "session_deleted", _("Session row deleted")
    CREDENTIAL_DELETED = "credential_deleted", _("Bearer credential deleted or expired")
    PASSWORD_CHANGED = "password_changed", _("Password changed")
    USER_DEACTIVATED = "user_deactivated", _("User deactivated")
    USER_DELETED = "user_deleted", _("User deleted")
    STAFF = "staff", _("Ended by staff")
    API = "api", _("Ended by the LMS's code")
    KEY_LOST = "key_lost", _("Its encryption key is gone")
    FORGOTTEN = "forgotten", _("Person forgotten")
    UNSEEN = "unseen", _("Not seen for a day; goes on when it is seen again")


class TokenStatus(models.TextChoices):
    """Where a Convai token stands; it moves forward only."""

    GENERATING = "generating", _("generating")
    ACTIVE = "active", _("active")
    EXPIRED = "expired", _("expired")
    REVOKING = "revoking", _("revocation owed")
    REVOKED = "revoked", _("revoked")
    GONE = "gone", _("gone")
    LAPSED = "lapsed", _("lapsed")
    FAILED = "failed", _("failed")
    UNKNOWN = "unknown", _("unknown")


# Statuses that count towards MAX_LIVE_TOKENS.
LIVE = (TokenStatus.GENERATING, TokenStatus.ACTIVE)
# Statuses in which Convai may hold a live token whose revocation nobody has asked for yet.
REVOCABLE = (*LIVE, TokenStatus.EXPIRED)


class EventKind(models.TextChoices):
    """Which step an event records."""

    SESSION_STARTED = "session_started", _("session started")
    SESSION_ENDED = "session_ended", _("session ended")
    SESSION_RESUMED = "session_resumed", _("session seen again")
    GENERATED = "generated", _("generated")
    EXTENDED = "extended", _("extended")
    EXPIRED = "expired", _("expired")
    OWED = "owed", _("revocation owed")
    REVOKED = "revoked", _("revoked")
    GONE = "gone", _("gone")
    LAPSED = "lapsed", _("lapsed")
    FAILED = "failed", _("failed")
    UNKNOWN = "unknown", _("unknown")
    # Of the audit itself, and so of no session.
    ORDERED = "ordered", _("order for many rows")
    EXPORTED = "exported", _("exported")
    FORGOTTEN = "forgotten", _("person forgotten")
    PURGED = "purged", _("old events purged")


class ProcessPart(models.TextChoices):
    """Which part of a process is told of."""

    SWEEP = "sweep", _("sweep")
    GENERATING = "generating", _("generating tokens")
    REVOKING = "revoking", _("revoking tokens")


class OrderKind(models.TextChoices):
    """What staff ordered for many rows."""

    END = "end", _("end learner sessions")
    REVOKE = "revoke", _("revoke tokens")
