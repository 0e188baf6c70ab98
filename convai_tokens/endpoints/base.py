"""What all endpoints share: JSON alone, errors of one shape, a throttle for each session."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from rest_framework import exceptions, status
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle
from rest_framework.views import APIView
from rest_framework.views import exception_handler as drf_exception_handler

from ..exceptions import (
    ConvaiRefused,
    ConvaiTokensError,
    ConvaiUnavailable,
    CredentialNotSupported,
    CrossSite,
    EndUserBlank,
    ErrorCode,
    Impersonated,
    Misconfigured,
    NotAllowed,
)
from ..lifecycle.credential import Credential
from ..lifecycle.opening import Opener
from ..lifecycle.storing import Issued
from ..logins.credentials import credential_of_request
from ..logins.response import forbid_caching, hand_out
from ..logins.safety import told
from ..logins.token_requests import open_for_request
from ..models import LearnerSession
from ..payloads import fields, issued_block, retry_after

DEFAULT_RATE = "30/min"
FORBIDDEN = (CredentialNotSupported, CrossSite, EndUserBlank, Impersonated, NotAllowed)


class JSONAlways(DefaultContentNegotiation):
    """Answers JSON whatever the client says that it accepts: a browser says HTML."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class LearnerSessionThrottle(SimpleRateThrottle):
    """Limits each learner session by itself, so that a whole school behind one address fits.

    The rate is DRF's ``DEFAULT_THROTTLE_RATES["convai_token"]``, or 30 a minute.
    """

    scope = "convai_token"

    def get_rate(self) -> str | None:
        rate: str | None = self.THROTTLE_RATES.get(self.scope, DEFAULT_RATE)
        return rate

    def get_cache_key(self, request: Request, view: APIView) -> str:
        ident = cast(LearnerSessionView, view).credential.session_ids[0]
        return self.cache_format % {"scope": self.scope, "ident": ident}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Return every error as ``{"error": {"code", "message"}}``, with its status."""
    if isinstance(error, ConvaiTokensError):
        return _error_response(error)
    response = drf_exception_handler(error, context)
    if response is None:
        return _error_response(told(error))
    code, message = "not_found", "There is nothing here."
    if isinstance(error, exceptions.APIException):
        codes, message = error.get_codes(), str(error.detail)
        code = codes if isinstance(codes, str) else "invalid"
    body: dict[str, Any] = {"code": code, "message": message}
    if response.has_header("Retry-After"):
        body["retryAfter"] = int(response["Retry-After"])
    response.data = {"error": body}
    return response


def _error_response(error: ConvaiTokensError) -> Response:
    """Return the answer to a failure of ours or of Convai's."""
    body: dict[str, Any] = {"code": error.code, "message": error.code.text}
    response = Response({"error": body}, status=_status_of(error))
    seconds = retry_after(error)
    if seconds is not None:
        body["retryAfter"] = seconds
        response["Retry-After"] = str(seconds)
    return response


def _status_of(error: ConvaiTokensError) -> int:
    if error.code in (ErrorCode.CONVAI_RATE_LIMITED, ErrorCode.LEARNER_RATE_LIMITED):
        return status.HTTP_429_TOO_MANY_REQUESTS
    if isinstance(error, (ConvaiUnavailable, ConvaiRefused, Misconfigured)):
        return status.HTTP_503_SERVICE_UNAVAILABLE
    if isinstance(
        error, (CredentialNotSupported, CrossSite, EndUserBlank, Impersonated, NotAllowed)
    ):
        return status.HTTP_403_FORBIDDEN
    if error.code == ErrorCode.CONVAI_ERROR:
        return status.HTTP_500_INTERNAL_SERVER_ERROR
    return status.HTTP_409_CONFLICT  # the token or its learner session is at an end


# Convai must not be called in a transaction, whatever ATOMIC_REQUESTS says.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class LearnerSessionView(APIView):
    """A view that serves the learner session of the request's credential, in JSON alone."""

    permission_classes = [IsAuthenticated]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = JSONAlways
    throttle_classes: Sequence[type[BaseThrottle]] = [LearnerSessionThrottle]

    def get_authenticate_header(self, request: Request) -> str:
        """Return a challenge in any case: without one DRF answers 403 in place of 401."""
        return super().get_authenticate_header(request) or "Bearer"

    def perform_authentication(self, request: Request) -> None:
        """Authenticate; knox's own class fails with a 500 on a bearer that isn't UTF-8."""
        try:
            super().perform_authentication(request)
        except UnicodeError:
            raise exceptions.AuthenticationFailed("Invalid token.") from None

    def get_exception_handler(self) -> Callable[..., Response]:
        """Return this endpoint's own handler: its errors look the same on every site."""
        return exception_handler

    @cached_property
    def credential(self) -> Credential:
        """The credential that authenticated this request; raises ``CredentialNotSupported``."""
        return credential_of_request(self.request)

    def learner_session(self) -> tuple[LearnerSession, Opener]:
        """Return the learner session, and who opens it if it is new."""
        user = cast(AbstractBaseUser, self.request.user)
        return open_for_request(self.request, user, self.credential)

    def answer(self, issued: Issued) -> Response:
        """Return the token as the login block, at the root."""
        user = cast(AbstractBaseUser, self.request.user)
        response = Response(fields(issued_block(user, issued)))
        hand_out(response, issued)
        return response

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """Forbid every cache to keep an answer, and every browser to guess its type; errors too."""
        final: Response = super().finalize_response(request, response, *args, **kwargs)
        forbid_caching(final)
        final["X-Content-Type-Options"] = "nosniff"
        return final
