"""Signals for the LMS's own use. They are sent after commit, and never carry a token value.

Each sends ``session`` (a ``LearnerSession``) and ``token`` (a ``ConvaiToken``, as it is now), with
``sender=ConvaiToken``. They go out with ``send_robust``: a receiver that raises is logged and
disturbs nobody.

``token_generated``
    A token was generated, for a login or a request to the token endpoint.
``token_extended``
    Convai extended a token; ``token.expires_at`` is the new end.
``token_revoked``
    A token is dead: Convai has confirmed its revocation (``revoked``), or knows no such token
    (``gone``).
``token_failed``
    Generating failed; also sends ``error``, a ``ConvaiTokensError``.
"""

from __future__ import annotations

from django.dispatch import Signal

token_generated = Signal()
token_extended = Signal()
token_revoked = Signal()
token_failed = Signal()
