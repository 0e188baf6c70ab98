"""``python -m benchmarks.load.seed``: migrate, and fill the database of a run.

Reads JSON from standard input: how many ``users``, and ``logins``, the names of files to fill with
so many bearer tokens of learners who are logged in, each with a live Convai token.
"""

from __future__ import annotations

import json
import secrets
import sys
from datetime import timedelta
from pathlib import Path

import django
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from convai_tokens.secret import Secret

from .client import PASSWORD, username

BATCH = 2000


def seed_users(count: int) -> None:
    """Make learners, who all have the same password."""
    users = get_user_model()._default_manager
    password = make_password(PASSWORD)
    rows = [users.model(username=username(n), password=password) for n in range(count)]
    users.bulk_create(rows, BATCH)


def seed_logins(count: int) -> list[str]:
    """Log ``count`` learners in, each with a live token; return their bearer tokens."""
    from knox.crypto import create_token_string, hash_token

    from convai_tokens.lifecycle.sealing import fingerprint, seal
    from convai_tokens.logins.bearer_stacks import bearer_credential

    knox_tokens = apps.get_model("knox", "AuthToken")._default_manager
    sessions = apps.get_model("convai_tokens", "LearnerSession")._default_manager
    tokens = apps.get_model("convai_tokens", "ConvaiToken")._default_manager
    users = list(get_user_model()._default_manager.order_by("pk")[:count])
    expires_at = timezone.now() + timedelta(hours=1)
    bearers = [create_token_string() for _ in range(count)]
    known, opened, live = [], [], []
    for number, bearer in enumerate(bearers):
        user = users[number % len(users)]
        digest = hash_token(bearer)
        known.append(
            knox_tokens.model(digest=digest, token_key=bearer[:15], user=user, expiry=expires_at)
        )
        credential = bearer_credential("knox", digest)
        opened.append(
            sessions.model(
                id=credential.session_ids[0],
                user=user,
                username=user.get_username(),
                stack=credential.stack,
                credential_digest=credential.digest,
            )
        )
        live.append(tokens.model(session=opened[-1], status="active", expires_at=expires_at))
    knox_tokens.bulk_create(known, BATCH)
    sessions.bulk_create(opened, BATCH)
    for token in tokens.bulk_create(live, BATCH):
        value = secrets.token_urlsafe(200)
        token.sealed, token.fingerprint = (
            seal(Secret(value), token.pk, token.session_id),
            fingerprint(Secret(value)),
        )
    tokens.bulk_update(live, ["sealed", "fingerprint"], 500)
    return bearers


if __name__ == "__main__":
    django.setup()
    wanted = json.load(sys.stdin)
    call_command("migrate", verbosity=0)
    seed_users(wanted["users"])
    for file, count in wanted["logins"].items():
        Path(file).write_text("\n".join(seed_logins(count)))
    # A database that has grown over days knows how large its tables are.
    with connection.cursor() as cursor:
        tables = ", ".join(connection.introspection.table_names(cursor))
        cursor.execute(f"ANALYZE TABLE {tables}" if connection.vendor == "mysql" else "ANALYZE")
