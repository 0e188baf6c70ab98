"""Two schools, a learner each: ``python -m tests.tenants.story BY``, in a process of its own.

``BY`` says who revokes: ``thread``, ``sweep`` (a plain command, over all schools) or
``tenant_command`` (over the first alone). Prints, for each school, the statuses of its tokens.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import django

PASSWORD = "a-password-of-the-suite"
SCHOOLS = ("first", "second")


def main(by: str) -> None:
    """Log a learner in and out at each school, and have the tokens revoked."""
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connections
    from django.test import Client
    from django_tenants.utils import tenant_context

    from convai_tokens.models import ConvaiToken, EndReason, LearnerSession
    from tests.tenants.models import Domain, School
    from tests.waiting import eventually

    call_command("migrate_schemas", schema_name="public", run_syncdb=True, verbosity=0)
    schools = []
    for name in SCHOOLS:
        school = School(schema_name=name, name=name)
        school.save(verbosity=0)
        Domain.objects.create(domain=f"{name}.example.org", tenant=school)
        schools.append(school)

    def statuses(school: Any) -> list[str]:
        with tenant_context(school):
            assert set(LearnerSession.objects.values_list("end_reason", flat=True)) == {
                EndReason.LOGOUT
            }
            return list(ConvaiToken.objects.values_list("status", flat=True))

    for school in schools:
        with tenant_context(school):
            get_user_model().objects.create_user("learner", password=PASSWORD)
        client = Client(SERVER_NAME=f"{school.name}.example.org")
        body = {"username": "learner", "password": PASSWORD}
        login = client.post("/login/json/", body, content_type="application/json")
        assert login.json()["convai"]["apiAuthToken"], login.content
        assert client.post("/logout/json/").status_code == 204
    connection: Any = connections["default"]
    connection.set_schema_to_public()
    if by == "sweep":
        call_command("convai_sweep", workers=2, stdout=sys.stderr)
        assert connection.schema_name == "public"
    elif by == "tenant_command":
        with tenant_context(schools[0]):
            call_command("convai_sweep", workers=2, stdout=sys.stderr)
    else:
        eventually(lambda: all(statuses(school) == ["revoked"] for school in schools))
    print(json.dumps([statuses(school) for school in schools]))


if __name__ == "__main__":
    main(*sys.argv[1:])
