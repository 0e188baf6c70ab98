"""djangorestframework-simplejwt with its blacklist, also as dj-rest-auth's and djoser's.

A learner session is a family: the refresh token of one login, and all that it was rotated into.
The first one's id (``jti``) is the family's, and a claim carries it on into each later refresh and
access token. A rotation blacklists a token, too: which view asks tells it from a logout.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import Q
from django.db.models.signals import post_save
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import Token, UntypedToken

from ..lifecycle.opening import sessions_of_bearer
from ..logins.bearer_stacks import BearerStack, register_bearer_stack
from ..logins.ends import end_of_bearer, reason_by
from ..logins.handed_out import LoginResponse
from ..logins.notes import current_request, noted_login
from ..logins.safety import never_shows
from ..logins.unsignalled import lineage_of_view
from ..secret import Hidden, Secret

NAME = "simplejwt"
CLASSES = ("rest_framework_simplejwt.authentication.JWTAuthentication",)
VIEWS = "rest_framework_simplejwt.views"
LOGIN_VIEWS = (f"{VIEWS}.TokenObtainPairView", "dj_rest_auth.views.LoginView")
CLAIM = "convai_family"
ROTATING = timedelta(minutes=1)  # far more than between a token's end and its successor


def with_family(token: Token) -> Token:
    """Write the family's id into the first refresh token of a login, and return it."""
    token[CLAIM] = token[api_settings.JTI_CLAIM]
    return token


def handed_out(login: LoginResponse) -> Iterator[tuple[Any, str]]:
    """Yield the families of the tokens that a response hands out, in its body or its cookies.

    A refresh hands out tokens, too: without a signal, only the first one of a family is a login.
    """
    for _, text in login.credentials():
        claims = _claims(text)
        family = claims and claims.reveal().get(CLAIM)
        if claims and family:
            is_first = claims.reveal().get(api_settings.JTI_CLAIM) == family
            if is_first or noted_login(login.request):
                yield _owner(claims), str(family)


def from_request(request: Request) -> str | None:
    """Return the family of the access token that authenticated the request."""
    return request.auth.get(CLAIM) if isinstance(request.auth, Token) else None


def is_alive(family: str) -> bool:
    """Tell whether the family's first token is still good; asked when its session is opened."""
    rows = BlacklistedToken.objects.using(router.db_for_write(BlacklistedToken))
    blacklisted: bool = rows.filter(token__jti=family).exists()
    return not blacklisted


def living(user_ids: Collection[Any]) -> Iterator[str]:
    """Yield the families of these users' refresh tokens that can still be presented."""
    now = timezone.now()
    good = Q(blacklistedtoken=None) | Q(blacklistedtoken__blacklisted_at__gt=now - ROTATING)
    rows = OutstandingToken.objects.using(router.db_for_write(OutstandingToken))
    for row in rows.filter(good, user_id__in=user_ids, expires_at__gt=now):
        yield _family_of(row)


def _claims(text: Secret, *, verify: bool = True) -> Hidden[dict[str, Any]] | None:
    try:
        return Hidden(UntypedToken(text.reveal(), verify=verify).payload)  # type: ignore[arg-type]
    except TokenError:
        return None


def _owner(claims: Hidden[dict[str, Any]]) -> Any:
    """Return the id of the user whom a token names; its claim may be another field."""
    named, model = claims.reveal().get(api_settings.USER_ID_CLAIM), get_user_model()
    if api_settings.USER_ID_FIELD in ("pk", model._meta.pk.name):
        return model._meta.pk.to_python(named)
    users = model._base_manager.filter(**{api_settings.USER_ID_FIELD: named})
    return users.values_list("pk", flat=True).first()


@never_shows
def on_blacklisted(*, instance: Any, created: bool, using: str, **kwargs: object) -> None:
    """End the learner session of a family whose refresh token was blacklisted, by no rotation."""
    request = current_request.get()
    if not created or (request is not None and _is_refresh(request)):
        return
    sessions = sessions_of_bearer(NAME, _family_of(instance.token))
    reason = reason_by(request, instance.token.user_id)
    del instance, kwargs
    end_of_bearer(using, sessions, reason)


def _family_of(row: OutstandingToken) -> str:
    """Return the family of a refresh token that simplejwt keeps."""
    # The first one is kept as it was before it had the claim.
    claims = _claims(Secret(row.token), verify=False)
    return str(claims.reveal().get(CLAIM) if claims and CLAIM in claims.reveal() else row.jti)


def _is_refresh(request: HttpRequest) -> bool:
    """Tell whether the request asks simplejwt's view, or one below it, for a rotation."""
    return f"{VIEWS}.TokenRefreshView" in lineage_of_view(request)


def connect() -> None:
    """Register the stack and its receiver; called by ``contrib.connect()``."""
    asked = (handed_out, from_request, living, is_alive)
    register_bearer_stack(BearerStack(NAME, *asked, CLASSES, LOGIN_VIEWS))
    uid = "convai_tokens.contrib.simplejwt"
    post_save.connect(on_blacklisted, sender=BlacklistedToken, dispatch_uid=uid, weak=False)
