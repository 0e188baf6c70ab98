"""What the pages' technical words mean, told where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from ..models import ConvaiToken, LearnerSession, TokenEvent

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Words = list[tuple["StrOrPromise", "StrOrPromise"]]

SESSION: Words = [
    (_("learner session"), _("One login of one learner: a Django session or one bearer token.")),
    (_("open"), _("The learner may ask for tokens. Nobody has seen the session end.")),
    (
        _("Not seen for a day; goes on when it is seen again"),
        _("A browser that was closed tells nobody. Nothing of it is alive."),
    ),
    (_("login stack"), _("The package by which the learner logged in, such as knox.")),
]
STATUSES: Words = [
    (_("generating"), _("Convai is being asked for it now.")),
    (_("active"), _("It can be used until it expires or is revoked.")),
    (_("expired"), _("Its hour is over; it was never asked to be revoked.")),
    (
        _("revocation owed"),
        _("Its session has ended. Convai is asked to revoke it until it confirms."),
    ),
    (_("revoked"), _("Convai has confirmed that it is dead.")),
    (_("gone"), _("Convai doesn't know it any more, so it is dead.")),
    (
        _("lapsed"),
        _("Convai confirmed nothing for as long as REVOKE_HORIZON says; nobody asks any more."),
    ),
    (_("failed"), _("Convai gave none.")),
    (
        _("unknown"),
        _("The answer was lost. Should Convai have made one, nobody has it, and it expires."),
    ),
]
TOKEN: Words = [
    (
        _("fingerprint"),
        _("Twelve digits by which a token is known to all who have it, without its value."),
    ),
    *STATUSES,
]
EVENT: Words = [
    (_("actor"), _("The staff member who did it; blank where the app did it by itself.")),
    (
        _("session seen again"),
        _("It counted as over, since nobody had seen it for a day, and then it asked for a token."),
    ),
    (_("order for many rows"), _("Staff chose more rows than fit into a request.")),
    *STATUSES,
]
OVERVIEW: Words = [
    (
        _("sweep"),
        _("The process that asks Convai again and again for what is owed, every few seconds."),
    ),
    (_("live"), _("Convai accepts the token: it is active, and its time isn't over.")),
    *SESSION[:1],
    *STATUSES,
]
WORDS: dict[type[Model], Words] = {LearnerSession: SESSION, ConvaiToken: TOKEN, TokenEvent: EVENT}
