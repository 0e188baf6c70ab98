"""Who acts as a learner, in that learner's place.

Convai's long-term memory of a learner hangs on the learner's id. What somebody of the staff says
there becomes the learner's, so by default they get no token under it.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.db import router

from ..conf import app_settings
from ..exceptions import Impersonated
from .credentials import belongs_to

logger = logging.getLogger("convai_tokens")


def impersonator_of(session: SessionBase | None, user: AbstractBaseUser) -> AbstractBaseUser | None:
    """Return who acts as ``user`` in this Django session; None where that is the user.

    Raises ``Impersonated``, unless ``TOKENS_FOR_IMPERSONATORS`` is set. In any case where that user
    is gone, or the session is another user's: a learner session is of one.
    """
    if session is None or session.is_empty():
        return None
    key = _key_of_impersonator(session)
    if key is None and belongs_to(session, user):
        return None
    if key is None:  # django-impersonate: the request has another user than its session
        logger.info("User %s acts as user %s: no token.", session.get(SESSION_KEY), user.pk)
        raise Impersonated
    if not app_settings.TOKENS_FOR_IMPERSONATORS:
        logger.info("User %s acts as user %s: no token.", key, user.pk)
        raise Impersonated
    model = get_user_model()
    rows = model._base_manager.using(router.db_for_write(model))
    impersonator: AbstractBaseUser | None = rows.filter(pk=model._meta.pk.to_python(key)).first()
    if impersonator is None:
        raise Impersonated
    return impersonator


def _key_of_impersonator(session: SessionBase) -> Any:
    """Return the primary key of who acts as its user, as the session has it; None for nobody."""
    if history := session.get("hijack_history"):  # django-hijack: whom each was hijacked from
        return history[0]
    flag = getattr(settings, "LOGINAS_FROM_USER_SESSION_FLAG", "loginas_from_user")
    if signed := session.get(flag):  # django-loginas: with a time and a signature behind it
        return str(signed).rsplit(":", 2)[0]
    if exits := session.get("exit_users_pk"):  # django-su: with the backend of each
        return exits[0][0]
    return None
