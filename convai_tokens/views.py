"""The token endpoint: a fresh token, an extension, a revocation, for the caller's own session."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import method_decorator
from rest_framework import exceptions, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle
from rest_framework.views import APIView

from .conf import app_settings
from .exceptions import (
    ConvaiRefused,
    ConvaiTokensError,
    ConvaiUnavailable,
    EndUserBlank,
    ErrorCode,
)
from .lifecycle import ending, issuing
from .logins.credentials import Credential, credential_of_request
from .models import ConvaiToken, LearnerSession
from .payloads import fields, issued_block, named_end_user, retry_after

logger = logging.getLogger("convai_tokens")

DEFAULT_RATE = "30/min"


class CredentialNotSupported(exceptions.PermissionDenied):
    default_code = ErrorCode.CREDENTIAL_NOT_SUPPORTED
    default_detail = (
        "This request was authenticated in a way that convai_tokens does not know; "
        "log in with a session or with a supported bearer token."
    )


class NotAllowed(exceptions.PermissionDenied):
    default_code = ErrorCode.CONVAI_NOT_ALLOWED
    default_detail = "This learner gets no Convai token."


class LearnerSessionThrottle(SimpleRateThrottle):
    """Limits each learner session by itself, so that a whole school behind one address fits.

    The rate is DRF's ``DEFAULT_THROTTLE_RATES["convai_token"]``, or 30 a minute.
    """

    scope = "convai_token"

    def get_rate(self) -> str | None:
        rate: str | None = self.THROTTLE_RATES.get(self.scope, DEFAULT_RATE)
        return rate

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        credential = credential_of_request(request)
        if credential is None:
            return None
        return self.cache_format % {"scope": self.scope, "ident": credential.session_ids[0]}


# Convai must not be called in a transaction, whatever ATOMIC_REQUESTS says.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class LearnerSessionView(APIView):
    """A view that serves the learner session of the request's credential, in JSON alone."""

    permission_classes = [IsAuthenticated]
    renderer_classes = [JSONRenderer]
    throttle_classes: Sequence[type[BaseThrottle]] = [LearnerSessionThrottle]

    def get_authenticate_header(self, request: Request) -> str:
        """Return a challenge in any case: without one DRF answers 403 in place of 401."""
        return super().get_authenticate_header(request) or "Bearer"

    def credential(self, request: Request) -> Credential:
        """Return the request's credential; raise 403 when its stack isn't known."""
        credential = credential_of_request(request)
        if credential is None:
            raise CredentialNotSupported
        return credential

    def learner_session(self, request: Request) -> LearnerSession:
        """Return the learner session, started now if this is its first token."""
        credential = self.credential(request)
        user = cast(AbstractBaseUser, request.user)
        if not app_settings.ISSUE_IF(request._request, user):
            raise NotAllowed
        named_end_user(user)
        session = issuing.open_session(credential, user)
        if session.user_id != user.pk:
            # Promise 3: not to be reached by the app's own ways, so it is refused, not mended.
            raise CredentialNotSupported
        return session

    def answer(self, request: Request, issued: issuing.Issued) -> Response:
        """Return the token as the login block, at the root."""
        return Response(fields(issued_block(cast(AbstractBaseUser, request.user), issued)))

    def handle_exception(self, exc: Exception) -> Response:
        """Return every error as ``{"error": {"code", "message"}}``, with its status."""
        if isinstance(exc, ConvaiTokensError):
            return _error_response(exc)
        response = super().handle_exception(exc)
        if isinstance(exc, exceptions.APIException):
            code, detail = exc.get_codes(), str(exc.detail)
        else:
            code, detail = "not_found", "There is nothing here."
        code = code if isinstance(code, str) else "invalid"
        error: dict[str, Any] = {"code": code, "message": detail}
        if response.has_header("Retry-After"):
            error["retryAfter"] = int(response["Retry-After"])
        response.data = {"error": error}
        return response

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Forbid every cache to keep an answer, errors too."""
        response = super().finalize_response(request, response, *args, **kwargs)
        add_never_cache_headers(response)
        return response


class TokenView(LearnerSessionView):
    """``POST`` generates a fresh token, ``DELETE`` revokes the session's live ones.

    ``GET`` does what ``POST`` does where ``ALLOW_GET`` is set, for the Unity SDK's no-code mode.
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
        session = self.learner_session(request)
        return self.answer(request, issuing.generate(session, budget=app_settings.LOGIN_BUDGET))

    def get(self, request: Request) -> Response:
        if not app_settings.ALLOW_GET:
            raise exceptions.MethodNotAllowed("GET")
        return self.post(request)

    def delete(self, request: Request) -> Response:
        credential = self.credential(request)
        tokens = ConvaiToken.objects.filter(session__in=credential.session_ids)
        ending.revoke_tokens(tokens, detail="Revoked by the learner's client")
        return Response(status=status.HTTP_204_NO_CONTENT)


class ExtendView(LearnerSessionView):
    """``POST`` extends the newest live token of the session."""

    def post(self, request: Request) -> Response:
        session = self.learner_session(request)
        return self.answer(request, issuing.extend(session, budget=app_settings.LOGIN_BUDGET))


def _error_response(error: ConvaiTokensError) -> Response:
    """Return the answer to a failure of ours or of Convai's."""
    body: dict[str, Any] = {"code": error.code, "message": str(error)}
    headers = {}
    code: int = status.HTTP_409_CONFLICT
    if isinstance(error, (ConvaiUnavailable, ConvaiRefused)):
        code = status.HTTP_503_SERVICE_UNAVAILABLE
        if error.code == ErrorCode.CONVAI_RATE_LIMITED:
            code = status.HTTP_429_TOO_MANY_REQUESTS
        body["retryAfter"] = retry_after(error)
        headers["Retry-After"] = str(body["retryAfter"])
    elif isinstance(error, EndUserBlank):
        code = status.HTTP_403_FORBIDDEN
    return Response({"error": body}, status=code, headers=headers)
