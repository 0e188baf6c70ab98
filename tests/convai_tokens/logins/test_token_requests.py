"""Requests for a token by a learner who is logged in already."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from convai_tokens.exceptions import CredentialNotSupported, EndUserBlank, NotAllowed
from convai_tokens.logins.bearer_stacks import bearer_credential
from convai_tokens.logins.token_requests import open_for_request
from convai_tokens.models import LearnerSession
from tests.builders import open_session


def test_a_learner_session_is_stored_with_its_first_token_and_not_before(learner: Any) -> None:
    credential = bearer_credential("custom", "a credential")

    session, opener = open_for_request(RequestFactory().post("/"), learner, credential)

    assert session.pk == credential.session_ids[0]
    assert (opener.credential, opener.user, opener.impersonator) == (credential, learner, None)
    assert not LearnerSession.objects.exists()


def test_one_that_is_there_is_found(learner: Any) -> None:
    stored = open_session(learner)
    credential = bearer_credential("custom", "a credential")

    session, _ = open_for_request(RequestFactory().post("/"), learner, credential)

    assert session == stored


def test_another_learners_session_is_refused(learner: Any, make_user: Any) -> None:
    open_session(make_user("another"))
    credential = bearer_credential("custom", "a credential")

    with pytest.raises(CredentialNotSupported):
        open_for_request(RequestFactory().post("/"), learner, credential)


@pytest.mark.parametrize(
    ("hook", "returned", "refused"),
    [("ISSUE_IF", False, NotAllowed), ("END_USER", ("", "A name"), EndUserBlank)],
)
def test_the_lmss_hooks_are_asked_first(
    learner: Any, convai_settings: Any, hook: str, returned: Any, refused: type[Exception]
) -> None:
    convai_settings(**{hook: lambda *args: returned})
    credential = bearer_credential("custom", "a credential")

    with pytest.raises(refused):
        open_for_request(RequestFactory().post("/"), learner, credential)
