"""Login with Django's session cookie, every change under CSRF protection."""

from __future__ import annotations

from django.contrib.auth import login, logout
from django.middleware.csrf import get_token
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .authentication import CsrfSessionAuthentication
from .credentials import learner_data, user_of_credentials
from .throttles import LOGIN_THROTTLES


class Csrf(APIView):
    """``GET`` sets the CSRF cookie, and tells the token to send back as ``X-CSRFToken``."""

    authentication_classes: list[type[BaseAuthentication]] = []
    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        return Response({"csrfToken": get_token(request._request)})


class Login(APIView):
    """``POST`` logs in over whatever session the browser had, and sets a new cookie."""

    authentication_classes = [CsrfSessionAuthentication]
    permission_classes = [AllowAny]
    throttle_classes = LOGIN_THROTTLES

    def post(self, request: Request) -> Response:
        user = user_of_credentials(request)
        login(request, user)
        return Response({"learner": learner_data(user)})


class Logout(APIView):
    """``POST`` ends the session; 204, and so too when it had ended already."""

    authentication_classes = [CsrfSessionAuthentication]
    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        logout(request)
        return Response(status=status.HTTP_204_NO_CONTENT)
