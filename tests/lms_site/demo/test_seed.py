"""The users of the throw-away site, and what each may do."""

from __future__ import annotations

import pytest
from django.contrib.auth import authenticate, get_user_model

from lms_site.demo.seed import seed

PASSWORDS = {
    name: f"of-{name}" for name in ("learner", "second-learner", "auditor", "administrator")
}


@pytest.mark.django_db
def test_two_learners_an_auditor_and_an_administrator_can_log_in() -> None:
    seed(PASSWORDS)

    for name, password in PASSWORDS.items():
        assert authenticate(None, username=name, password=password) is not None
    assert {user.username for user in get_user_model().objects.filter(is_staff=True)} == {
        "auditor",
        "administrator",
    }
    assert get_user_model().objects.get(is_superuser=True).username == "administrator"


@pytest.mark.django_db
def test_the_auditor_may_view_the_audit_and_nothing_else() -> None:
    seed(PASSWORDS)

    assert get_user_model().objects.get(username="auditor").get_all_permissions() == {
        "convai_tokens.view_convaitoken",
        "convai_tokens.view_learnersession",
        "convai_tokens.view_tokenevent",
    }
