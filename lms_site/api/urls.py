"""Addresses of the login API."""

from __future__ import annotations

from django.urls import path

from . import bearer, session

urlpatterns = [
    path("auth/login/", bearer.Login.as_view(), name="bearer-login"),
    path("auth/logout/", bearer.Logout.as_view(), name="bearer-logout"),
    path("auth/logout-all/", bearer.LogoutAll.as_view(), name="bearer-logout-all"),
    path("auth/me/", bearer.Me.as_view(), name="me"),
    path("session/csrf/", session.Csrf.as_view(), name="csrf"),
    path("session/login/", session.Login.as_view(), name="session-login"),
    path("session/logout/", session.Logout.as_view(), name="session-logout"),
]
