"""The doctor's look at a hook that no system check may run: it may ask the database."""

from __future__ import annotations

from django.contrib.auth import get_user_model

from ..conf import AppSettings
from ..payloads import id_and_name
from .step import Finding, failed, ok, skipped, warning

FIX = "Return (id, name), both non-empty; the id stable and unique for each learner."


def end_user() -> Finding:
    """Does ``END_USER`` give an id and a name for a real user, the newest?"""
    if AppSettings.END_USER.problem():
        return skipped("The step system_checks tells what is wrong with END_USER.")
    user = get_user_model()._default_manager.order_by("-pk").first()
    if user is None:
        return skipped("There is no user yet to try END_USER with.")
    who = f"the user with key {user.pk}"
    try:
        complete = all(id_and_name(user))
    except Exception as error:  # noqa: BLE001 - it is the project's own code
        cause = "Your function, or what it asks. Learners for whom it raises get no token."
        return failed(f"END_USER raises {type(error).__name__} for {who}.", cause, FIX)
    if complete:
        return ok(f"END_USER gives an id and a name for {who}.")
    cause = "What it is made of is blank for this user. Such learners get no token."
    return warning(f"END_USER gives a blank id or name for {who}.", cause, FIX)
