"""Logins that send no signal: their responses hand out what a login stack knows as a credential."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from .bearer_stacks import BearerStack, bearer_stacks
from .handed_out import LoginResponse
from .notes import LoginNote, device_of, note_login, noted_login

MAX_BODY = 64 * 1024  # bytes; no login answers more


def may_be_login(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Tell whether a response is worth a look. Asks nobody."""
    if request.method != "POST" or noted_login(request) is not None:
        return False
    if not (200 <= response.status_code < 300 and bearer_stacks()):
        return False
    if not isinstance(response, HttpResponse):  # streaming
        return False
    # What DRF hasn't rendered yet is looked at as data.
    return not getattr(response, "is_rendered", True) or len(response.content) <= MAX_BODY


def note_unsignalled_login(login: LoginResponse) -> LoginNote | None:
    """Note the login of a response that hands out a credential; None where it doesn't.

    Only where nobody was logged in, or by the stack's own login view: there, who came along is the
    last resident of a kiosk. What users are told of keys of their own is no login; and staff who
    make keys for others must not get those others' tokens.
    """
    for stack in bearer_stacks():
        user = _user_of(stack, login)
        if user is None:
            continue
        if not _has_user(login.request) or {*stack.login_views} & {*lineage_of_view(login.request)}:
            note = LoginNote(user, device=device_of(login.request))
            note_login(login.request, note)
            return note
    return None


def _user_of(stack: BearerStack, login: LoginResponse) -> AbstractBaseUser | None:
    """Return the user of the first credential of this stack that a response hands out."""
    users = get_user_model()._base_manager
    for user_id, _ in stack.handed_out(login):
        return users.filter(pk=user_id).first()
    return None


def lineage_of_view(request: HttpRequest) -> list[str]:
    """Return the dotted paths of the class of the request's view, and of those above it."""
    view = getattr(request.resolver_match, "func", None)
    found = getattr(view, "view_class", None) or getattr(view, "cls", None)
    return [f"{it.__module__}.{it.__qualname__}" for it in getattr(found, "__mro__", ())]


def _has_user(request: HttpRequest) -> bool:
    # A view of DRF's has set it on Django's request too.
    user = getattr(request, "user", None)
    return user is not None and user.is_authenticated
