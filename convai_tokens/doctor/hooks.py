"""The doctor's look at a hook that no system check may run: it may ask the database."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..conf import AppSettings
from ..payloads import id_and_name
from .step import Finding, failed, ok, skipped, warning

FIX = gettext_lazy("Return (id, name), both non-empty; the id stable and unique for each learner.")


def end_user() -> Finding:
    """Does ``END_USER`` give an id and a name for a real user, the newest?"""
    if AppSettings.END_USER.problem():
        return skipped(_("The step system_checks tells what is wrong with END_USER."))
    user = get_user_model()._default_manager.order_by("-pk").first()
    if user is None:
        return skipped(_("There is no user yet to try END_USER with."))
    who = _("the user with key %(pk)s") % {"pk": user.pk}
    try:
        complete = all(id_and_name(user))
    except Exception as error:  # noqa: BLE001 - it is the project's own code
        cause = _("Your function, or what it asks. Learners for whom it raises get no token.")
        return failed(
            _("END_USER raises %(name)s for %(who)s.") % {"name": type(error).__name__, "who": who},
            cause,
            FIX,
        )
    if complete:
        return ok(_("END_USER gives an id and a name for %(who)s.") % {"who": who})
    cause = _("What it is made of is blank for this user. Such learners get no token.")
    return warning(_("END_USER gives a blank id or name for %(who)s.") % {"who": who}, cause, FIX)
