"""The token endpoint: a fresh token, an extension, a revocation, for the caller's own session."""

from __future__ import annotations

from collections.abc import Mapping

from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from .conf import app_settings
from .endpoints.base import LearnerSessionThrottle, LearnerSessionView
from .exceptions import CrossSite
from .lifecycle.ending import revoke_tokens
from .lifecycle.issuing import extend, generate
from .logins.bearer_stacks import SESSION_STACK
from .logins.session_bearers import borne_session
from .models import ConvaiToken
from .secret import Secret

__all__ = ["ExtendView", "LearnerSessionThrottle", "LearnerSessionView", "TokenView"]


def is_prefetch(request: Request) -> bool:
    """Tell whether a browser asks ahead of its user."""
    names = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
    return any("prefetch" in request.headers.get(name, "").lower() for name in names)


def is_of_this_site(request: Request) -> bool:
    """Tell whether the browser says that a page of this origin makes the request.

    By ``Sec-Fetch-Site`` (Fetch Metadata); where there is none, or the user typed the address, by
    the ``Referer``.
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    if site != "none":
        return site == "same-origin"
    origin = f"{request.scheme}://{request.get_host()}/"
    return request.headers.get("Referer", "").startswith(origin)


class TokenView(LearnerSessionView):
    """``POST`` generates a fresh token, ``DELETE`` revokes the session's live ones.

    ``GET`` does what ``POST`` does where ``ALLOW_GET`` is set, for the Unity SDK's no-code mode. It
    changes something, though, and a browser sends it with the cookie for an image, a link or a
    prefetch. So by cookie it is answered to this site's own pages alone.
    """

    # No HEAD: it would generate a token for nobody.
    http_method_names = ["get", "post", "delete", "options"]

    @property
    def allowed_methods(self) -> list[str]:
        """Return what the ``Allow`` header names."""
        methods: list[str] = super().allowed_methods
        return [method for method in methods if method != "GET" or app_settings.ALLOW_GET]

    def get_throttles(self) -> list[BaseThrottle]:
        """Never throttle a revocation."""
        return [] if self.request.method == "DELETE" else super().get_throttles()

    def post(self, request: Request) -> Response:
        session, opener = self.learner_session()
        return self.answer(generate(session, opener=opener, budget=app_settings.LOGIN_BUDGET))

    def get(self, request: Request) -> Response:
        if not app_settings.ALLOW_GET:
            raise exceptions.MethodNotAllowed("GET", "GET is not allowed here; use POST.")
        if is_prefetch(request):
            raise CrossSite
        by_cookie = self.credential.stack == SESSION_STACK and borne_session(request) is None
        if by_cookie and not is_of_this_site(request):
            raise CrossSite
        return self.post(request)

    def delete(self, request: Request) -> Response:
        tokens = ConvaiToken.primary.filter(session__in=self.credential.session_ids)
        revoke_tokens(tokens, detail="Revoked by the learner's client")
        return Response(status=status.HTTP_204_NO_CONTENT)


class ExtendView(LearnerSessionView):
    """``POST`` extends the live token that the body names, or else the session's newest."""

    def post(self, request: Request) -> Response:
        named = named_token(request)
        session, opener = self.learner_session()
        budget = app_settings.LOGIN_BUDGET
        return self.answer(extend(session, named=named, opener=opener, budget=budget))


def named_token(request: Request) -> Secret | None:
    """Return the ``apiAuthToken`` in a request's body, None where it names none.

    Raises DRF's ``ParseError`` for a body that can't be read, or a value that is no text.
    """
    try:
        data = request.data
    except exceptions.UnsupportedMediaType:
        return None
    if not isinstance(data, Mapping) or "apiAuthToken" not in data:
        return None
    if not isinstance(data["apiAuthToken"], str):
        raise exceptions.ParseError("apiAuthToken must be a text.")
    return Secret(data["apiAuthToken"])
