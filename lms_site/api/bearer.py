"""Login with a bearer token: django-rest-knox, with name and password in a JSON body."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from knox import views as knox
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .authentication import BearerAuthentication
from .credentials import learner_data, user_of_credentials
from .throttles import LOGIN_THROTTLES


class Login(knox.LoginView):  # type: ignore[misc]
    """``POST`` answers with a new bearer token, its expiry (UTC) and the learner."""

    # Nobody, so that a stale token of an earlier login doesn't turn this one away.
    authentication_classes: list[type[BaseAuthentication]] = []
    permission_classes = [AllowAny]
    throttle_classes = LOGIN_THROTTLES

    def post(self, request: Request, format: str | None = None) -> Response:  # noqa: A002 - knox's
        request.user = user_of_credentials(request)
        response: Response = super().post(request, format)
        return response

    def get_post_response_data(self, request: Request, token: str, instance: Any) -> dict[str, Any]:
        return {
            "token": token,
            "expiry": self.format_expiry_datetime(instance.expiry),
            "learner": learner_data(instance.user),
        }


class Logout(knox.LogoutView):  # type: ignore[misc]
    """``POST`` ends the login of this bearer token; 204."""

    authentication_classes = [BearerAuthentication]


class LogoutAll(knox.LogoutAllView):  # type: ignore[misc]
    """``POST`` ends all bearer logins of this learner; 204."""

    authentication_classes = [BearerAuthentication]


class Me(APIView):
    """``GET`` tells a logged-in learner, by bearer or by session, who they are."""

    def get(self, request: Request) -> Response:
        return Response({"learner": learner_data(cast(User, request.user))})
