from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework_simplejwt.views import (
    TokenBlacklistView,
    TokenObtainPairView,
    TokenRefreshView,
)

from . import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("convai/", include("convai_tokens.urls")),
    path("login/json/", views.json_login),
    path("login/html/", views.html_login),
    path("login/drf/", views.DRFLogin.as_view()),
    path("login/knox/", views.BasicKnoxLogin.as_view()),
    path("login/authtoken/", obtain_auth_token),
    path("login/authtoken/json/", views.authtoken_json_login),
    path("login/jwt/", TokenObtainPairView.as_view()),
    path("jwt/refresh/", TokenRefreshView.as_view()),
    path("logout/jwt/", TokenBlacklistView.as_view()),
    path("login/fails/", views.login_that_fails),
    path("login/400/", views.login_and_answer_400),
    path("login/and-out/", views.login_and_out),
    path("login/list/", views.list_login),
    path("login/clash/", views.clashing_login),
    path("logout/json/", views.json_logout),
    path("logout/rolled-back/", views.logout_that_is_rolled_back),
    path("logout/for-good/", views.delete_account),
    path("logout/drf/", views.SessionDRFLogout.as_view()),
    path("logout/bearer/", views.BearerDRFLogout.as_view()),
    path("logout/knox/", views.knox_logout),
    path("logout/knox/all/", views.knox_logout_all),
    path("logout/authtoken/", views.AuthtokenLogout.as_view()),
    path("keys/", views.Keys.as_view()),
    path("own-key/", views.OwnKey.as_view()),
    path("password/", views.change_password),
]
