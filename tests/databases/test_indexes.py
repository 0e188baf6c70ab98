"""The indexes of the tables: none twice, and one for each order and filter that is offered."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection

pytestmark = pytest.mark.django_db


def test_no_index_is_a_twin_of_another() -> None:
    """PostgreSQL gives a text with ``db_index`` two, one of which is never used."""
    for model in apps.get_app_config("convai_tokens").get_models():
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, model._meta.db_table)
        columns = [
            tuple(it["columns"]) for it in found.values() if it["index"] or it["primary_key"]
        ]

        assert [name for name in found if name.endswith("_like")] == []
        assert len(columns) == len({*columns}), (model, columns)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("learnersession", ["started_at", "id"]),
        ("learnersession", ["end_reason", "started_at", "id"]),
        ("learnersession", ["user_id", "started_at", "id"]),
        ("learnersession", ["username"]),
        ("convaitoken", ["generated_at", "id"]),
        ("convaitoken", ["status", "generated_at", "id"]),
        ("convaitoken", ["fingerprint"]),
        ("tokenevent", ["at", "id"]),
        ("tokenevent", ["kind", "at", "id"]),
        ("tokenevent", ["actor_id"]),
        ("tokenevent", ["session_id"]),
        ("tokenevent", ["token_id"]),
    ],
)
def test_what_the_admin_asks_for_an_index_answers(table: str, columns: list[str]) -> None:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, f"convai_tokens_{table}")

    assert columns in [it["columns"] for it in found.values() if it["index"]]
