"""A store without rows tells what is deleted from it."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.contrib.sessions.backends.file import SessionStore as FileStore

from convai_tokens.logins.stores import on_session_gone, watch
from convai_tokens.models import LearnerSession
from convai_tokens.secret import Secret


def test_a_store_is_watched_once_and_deletes_as_before(settings: Any, tmp_path: Any) -> None:
    settings.SESSION_FILE_PATH = str(tmp_path)
    watch(FileStore)
    first = FileStore.delete
    watch(FileStore)

    assert FileStore.delete is first
    assert FileStore.delete.__name__ == "delete"
    session = FileStore()
    session.create()
    key = str(session.session_key)
    session.delete()
    assert not FileStore().exists(key)


def test_the_deletion_of_no_session_is_no_news(db: None) -> None:
    on_session_gone(CacheStore(), Secret())

    assert not LearnerSession.objects.exists()
