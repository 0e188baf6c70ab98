"""Who is asking: a bearer, or a browser's session under CSRF protection.

DRF's settings name a class of this module, so it imports nothing that needs those settings.
"""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from knox.auth import TokenAuthentication
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request


class BearerAuthentication(TokenAuthentication):  # type: ignore[misc]
    """knox's authentication, which by itself fails with a 500 on a token that isn't UTF-8."""

    def authenticate_credentials(self, token: bytes) -> tuple[AbstractBaseUser, object]:
        """Return the user and the token's row; raise ``AuthenticationFailed``."""
        try:
            found: tuple[AbstractBaseUser, object] = super().authenticate_credentials(token)
        except UnicodeDecodeError as error:
            raise AuthenticationFailed("Invalid token.") from error
        return found


class CsrfFailed(PermissionDenied):
    default_code = "csrf_failed"
    default_detail = (
        "The CSRF token is missing or wrong; take one from /api/session/csrf/ and send it as "
        "X-CSRFToken."
    )


class CsrfSessionAuthentication(SessionAuthentication):
    """Demands the CSRF token of everybody; DRF demands it only of those who are logged in.

    A login without it could be forced on a learner by another site.
    """

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, None] | None:
        """Return the session's user, or None; raise ``CsrfFailed`` without a CSRF token."""
        try:
            self.enforce_csrf(request)
        except PermissionDenied as error:
            raise CsrfFailed from error
        return super().authenticate(request)
