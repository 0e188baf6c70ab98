"""Session engines that keep no rows: the cache's, the file's, the signed cookie's.

No signal tells that one of their sessions was flushed, by a middleware that logs idle learners out,
or deleted by its key, as single-session enforcement does. So their store's ``delete`` tells us.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookieStore

from ..lifecycle.opening import follow_credential
from ..models import EndReason, database
from ..secret import Secret
from .credentials import presented_key, session_key, session_key_digest
from .datum import learner_session_id
from .ends import end_cookie, end_django_session
from .notes import current_request, note_deleted_session
from .safety import never_raises, retry_after_commit


def watch(store: Any) -> None:
    """Let the ``delete`` of a store's class tell of each session that it deletes; once."""
    delete = store.delete
    if getattr(delete, "tells_convai_tokens", False):
        return

    @wraps(delete)
    def delete_and_tell(self: SessionBase, session_key_: str | None = None) -> None:
        key = Secret(session_key_ or self.session_key or "")
        delete(self, session_key_)
        on_session_gone(self, key)

    delete_and_tell.tells_convai_tokens = True  # type: ignore[attr-defined]
    store.delete = delete_and_tell


@never_raises
def on_session_gone(store: SessionBase, key: Secret) -> None:
    """End the learner session of the Django session that was deleted from its store."""
    if not key:
        return
    request = current_request.get()
    reason: str = EndReason.SESSION_DELETED
    if request is not None:
        flushed = presented_key(request) == key
        reason = EndReason.REPLACED if flushed else EndReason.SESSION_DELETED
        reason = note_deleted_session(request, key, reason)
    if isinstance(store, SignedCookieStore):
        if request is None:  # else at its end, when it is clear whether the client loses the cookie
            retry_after_commit(database(), end_cookie, key, reason)
        return
    if key != session_key(store) and (session_id := learner_session_id(store)) is not None:
        # cycle_key(): the session goes on under the store's own key.
        follow_credential(session_id, session_key_digest(store))
    retry_after_commit(database(), end_django_session, key, reason)
