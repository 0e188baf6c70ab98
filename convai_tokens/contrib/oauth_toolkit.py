"""django-oauth-toolkit: a learner session is a family of refresh tokens, of one grant.

The family's id survives each refresh. A grant without a refresh token is its access token's row.
A refresh deletes and revokes what it replaces, too: the grant type tells it from an end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.db import router
from django.db.models import Model, Q
from django.db.models.query import QuerySet
from django.db.models.signals import post_save, pre_delete
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException
from django.utils import timezone
from oauth2_provider.models import get_access_token_model, get_refresh_token_model
from oauth2_provider.settings import oauth2_settings
from oauth2_provider.signals import app_authorized
from rest_framework.request import Request

from ..lifecycle.opening import sessions_of_bearer
from ..logins.bearer_stacks import BearerStack, bearer_credential, register_bearer_stack
from ..logins.ends import end_of_bearer, reason_by
from ..logins.handed_out import LoginResponse
from ..logins.notes import LoginNote, current_request, device_of, note_login
from ..logins.safety import never_raises, never_shows

NAME = "oauth_toolkit"
CLASSES = ("oauth2_provider.contrib.rest_framework.authentication.OAuth2Authentication",)


def identity_of(access_token: Any) -> str:
    """Return the identity of the grant that an access token comes from."""
    refresh_tokens = _rows(get_refresh_token_model()).filter(access_token_id=access_token.pk)
    found = refresh_tokens.values_list("token_family", "pk").first()
    return f"access:{access_token.pk}" if found is None else _of_refresh_token(*found)


def _of_refresh_token(family: Any, pk: Any) -> str:
    return f"family:{family}" if family else f"refresh:{pk}"


def handed_out(login: LoginResponse) -> Iterator[tuple[Any, str]]:
    """Yield the grants whose access tokens a response hands out, by no refresh."""
    sums = [sha256(text.reveal().encode()).hexdigest() for _, text in login.credentials()]
    if sums and not _is_refresh(login.request):
        tokens = _rows(get_access_token_model()).filter(token_checksum__in=sums)
        for found in tokens.exclude(user_id=None).only("user_id"):
            yield found.user_id, identity_of(found)


def from_request(request: Request) -> str | None:
    """Return the grant whose access token authenticated the request."""
    is_ours = isinstance(request.auth, get_access_token_model())
    return identity_of(request.auth) if is_ours else None


def is_alive(identity: str) -> bool:
    """Tell whether the grant's refresh token, or else its access token, is still there."""
    kind, _, which = identity.partition(":")
    if kind == "access":
        return bool(_rows(get_access_token_model()).filter(pk=which).exists())
    field = "token_family" if kind == "family" else "pk"
    tokens = _rows(get_refresh_token_model()).filter(**{field: which})
    return bool(tokens.filter(revoked=None).exists())


def living(user_ids: Collection[Any]) -> Iterator[str]:
    """Yield the grants of these users that haven't expired."""
    now = timezone.now()
    good = Q()
    seconds = oauth2_settings.REFRESH_TOKEN_EXPIRE_SECONDS
    if seconds:  # from the end of its access token on
        length = seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        good = Q(access_token=None) | Q(access_token__expires__gt=now - length)
    tokens = _rows(get_refresh_token_model()).filter(good, user_id__in=user_ids, revoked=None)
    for found in tokens.values_list("token_family", "pk"):
        yield _of_refresh_token(*found)
    bare = _rows(get_access_token_model()).filter(user_id__in=user_ids, expires__gt=now)
    for pk in bare.filter(refresh_token=None).values_list("pk", flat=True):
        yield f"access:{pk}"


def _rows(model: type[Model]) -> Any:
    """Return rows from where they are written: a replica may be late."""
    return model._default_manager.using(router.db_for_write(model))


@never_raises
def on_authorized(*, request: HttpRequest, token: Any, **kwargs: object) -> None:
    """Note the login that a grant is, whoever is logged in by cookie; a refresh is none."""
    if token.user_id is not None and not _is_refresh(request):
        credential = bearer_credential(NAME, identity_of(token))
        note_login(request, LoginNote(token.user, credential, device=device_of(request)))


@never_shows
def on_access_token_deleted(*, instance: Any, using: str, origin: Any, **kwargs: object) -> None:
    """End the grant of an access token that is about to be deleted, by no refresh.

    A refresh deletes the row that it replaces; where a replayed refresh token costs the whole
    family, its access tokens go by a queryset.
    """
    is_many, owner = isinstance(origin, QuerySet), instance.user_id
    if owner is not None and (is_many or not _is_refresh(current_request.get())):
        pk = instance.pk
        del instance, origin, kwargs
        _end(identity_of(get_access_token_model()(pk=pk)), owner, using)


@never_shows
def on_refresh_token_saved(*, instance: Any, created: bool, using: str, **kwargs: object) -> None:
    """End the grant of a refresh token that was revoked, by no refresh."""
    if instance.revoked and not created and not _is_refresh(current_request.get()):
        found = instance.token_family, instance.pk, instance.user_id
        del instance, kwargs
        _end(_of_refresh_token(*found[:2]), found[2], using)


@never_shows
def on_refresh_token_deleted(*, instance: Any, using: str, **kwargs: object) -> None:
    """End the grant of a refresh token that is deleted while it is good: it has expired."""
    if not instance.revoked:
        found = instance.token_family, instance.pk, instance.user_id
        del instance, kwargs
        _end(_of_refresh_token(*found[:2]), found[2], using)


def _end(identity: str, owner: Any, using: str) -> None:
    sessions = sessions_of_bearer(NAME, identity)
    reason = reason_by(current_request.get(), owner)
    end_of_bearer(using, sessions, reason)


def _is_refresh(request: HttpRequest | None) -> bool:
    if request is None:
        return False
    try:
        return request.POST.get("grant_type") == "refresh_token"
    except (RawPostDataException, MultiPartParserError):  # read by its view in another way
        return False


def connect() -> None:
    """Register the stack and its receivers; called by ``contrib.connect()``."""
    asked = (handed_out, from_request, living, is_alive)
    register_bearer_stack(BearerStack(NAME, *asked, CLASSES))
    uid = "convai_tokens.contrib.oauth_toolkit"
    app_authorized.connect(on_authorized, dispatch_uid=uid, weak=False)
    access, refresh = get_access_token_model(), get_refresh_token_model()
    pre_delete.connect(on_access_token_deleted, sender=access, dispatch_uid=uid, weak=False)
    post_save.connect(on_refresh_token_saved, sender=refresh, dispatch_uid=uid, weak=False)
    pre_delete.connect(on_refresh_token_deleted, sender=refresh, dispatch_uid=uid, weak=False)
