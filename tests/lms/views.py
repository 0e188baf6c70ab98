"""Login views as LMSs write them; not one of them knows of Convai."""

from __future__ import annotations

import json
from typing import Any, cast

from django.contrib.auth import (
    authenticate,
    get_user_model,
    login,
    logout,
    update_session_auth_hash,
)
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from knox.auth import TokenAuthentication
from knox.views import LoginView, LogoutAllView, LogoutView
from rest_framework.authentication import SessionAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.permissions import AllowAny, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


def _user(data: Any) -> Any:
    return authenticate(username=data["username"], password=data["password"])


@csrf_exempt
def json_login(request: HttpRequest) -> JsonResponse:
    data = json.loads(request.body)
    user = _user(data)
    if user is None:
        return JsonResponse({"detail": "wrong"}, status=401)
    login(request, user)
    response = JsonResponse({"hello": user.get_username()})
    response["Content-Length"] = str(len(response.content))
    return response


@csrf_exempt
def html_login(request: HttpRequest) -> HttpResponse:
    login(request, _user(request.POST))
    return HttpResponse("<p>Hello</p>")


@csrf_exempt
def login_that_fails(request: HttpRequest) -> JsonResponse:
    login(request, _user(json.loads(request.body)))
    raise RuntimeError("after login()")


@csrf_exempt
def login_and_answer_400(request: HttpRequest) -> JsonResponse:
    login(request, _user(json.loads(request.body)))
    return JsonResponse({"error": "nudge"}, status=400)


@csrf_exempt
def login_and_out(request: HttpRequest) -> JsonResponse:
    login(request, _user(json.loads(request.body)))
    logout(request)
    return JsonResponse({"bye": True})


@csrf_exempt
def list_login(request: HttpRequest) -> JsonResponse:
    login(request, _user(json.loads(request.body)))
    return JsonResponse(["a", "list"], safe=False)


@csrf_exempt
def clashing_login(request: HttpRequest) -> JsonResponse:
    login(request, _user(json.loads(request.body)))
    return JsonResponse({"convai": "the LMS's own"})


@csrf_exempt
def json_logout(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse(status=204)


@csrf_exempt
@transaction.atomic
def logout_that_is_rolled_back(request: HttpRequest) -> HttpResponse:
    logout(request)
    raise RuntimeError("after the logout")


@csrf_exempt
@login_required
@transaction.atomic
def delete_account(request: HttpRequest) -> HttpResponse:
    get_user_model().objects.filter(username=request.user.get_username()).delete()
    logout(request)
    return HttpResponse(status=204)


@csrf_exempt
@login_required
def change_password(request: HttpRequest) -> JsonResponse:
    data = json.loads(request.body)
    user: Any = request.user
    user.set_password(data["password"])
    user.save()
    if data.get("stay_logged_in", True):
        update_session_auth_hash(request, user)
    return JsonResponse({})


class DRFLogin(APIView):
    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        user = _user(request.data)
        login(request, user)
        return Response({"hello": user.get_username()})


class BasicKnoxLogin(LoginView):  # type: ignore[misc] # knox has no annotations
    """knox's own view, with the user and password in the body."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]

    def post(self, request: Request, format: Any = None) -> Response:  # noqa: A002
        request.user = _user(request.data)
        response: Response = super().post(request, format)
        return response


@csrf_exempt
def authtoken_json_login(request: HttpRequest) -> JsonResponse:
    """DRF's authtoken from a view of Django's, under djoser's name."""
    data = json.loads(request.body)
    user = _user(data)
    if user is None:
        return JsonResponse({"detail": "wrong"}, status=400)
    return JsonResponse({"auth_token": Token.objects.get_or_create(user=user)[0].key})


class AuthtokenLogout(APIView):
    def post(self, request: Request) -> Response:
        request.auth.delete()
        return Response(status=204)


class OwnKey(APIView):
    """A page on which learners see the key of theirs; DRF's views call it what a login does."""

    def post(self, request: Request) -> Response:
        user = cast(User, request.user)
        return Response({"token": Token.objects.get_or_create(user=user)[0].key})


class Keys(APIView):
    """Where staff make keys for others."""

    permission_classes = [IsAdminUser]

    def post(self, request: Request) -> Response:
        user = User.objects.get(username=request.POST["username"])
        return Response({"token": Token.objects.get_or_create(user=user)[0].key})


class SessionDRFLogout(APIView):
    authentication_classes = [SessionAuthentication]

    def post(self, request: Request) -> Response:
        logout(request)
        return Response(status=204)


class BearerDRFLogout(APIView):
    """Authenticated by a bearer, and calls Django's ``logout()``: that flushes the session."""

    authentication_classes = [TokenAuthentication]

    def post(self, request: Request) -> Response:
        logout(request)
        return Response(status=204)


knox_logout = LogoutView.as_view()
knox_logout_all = LogoutAllView.as_view()
