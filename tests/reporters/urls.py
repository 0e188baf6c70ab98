"""The suite's LMS, with a view that crashes, and one whose answer can't be rendered."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate, login
from django.http import HttpRequest, JsonResponse
from django.urls import path
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tests.lms.urls import urlpatterns as of_the_lms

PLAIN = "CANARYPLAIN-which-every-reporter-of-locals-shows"


def crash(request: HttpRequest) -> JsonResponse:
    """Show what the reporter does with a plain text."""
    plain = "".join(PLAIN)
    raise RuntimeError(f"a view of the LMS's, {len(plain)}")


class Unrenderable(APIView):
    """A login whose answer holds what no renderer knows."""

    permission_classes = [AllowAny]
    authentication_classes: list[Any] = []

    def post(self, request: Request) -> Response:
        data: Any = request.data
        login(request, authenticate(username=data["username"], password=data["password"]))
        return Response({"hello": object()})


urlpatterns = [
    *of_the_lms,
    path("crash/", crash),
    path("login/unrenderable/", Unrenderable.as_view()),
]
