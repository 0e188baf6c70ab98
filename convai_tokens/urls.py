"""The token endpoint: ``path("convai/", include("convai_tokens.urls"))``."""

from __future__ import annotations

from django.urls import path

from .endpoints.sessions import SessionsView, SessionView
from .views import ExtendView, TokenView

app_name = "convai_tokens"

urlpatterns = [
    path("token/", TokenView.as_view(), name="token"),
    path("token/extend/", ExtendView.as_view(), name="extend"),
    path("sessions/", SessionsView.as_view(), name="sessions"),
    path("sessions/<uuid:session_id>/", SessionView.as_view(), name="session"),
    # Without the final slash too: a redirect to it would turn a POST into a GET.
    path("token", TokenView.as_view()),
    path("token/extend", ExtendView.as_view()),
    path("sessions", SessionsView.as_view()),
    path("sessions/<uuid:session_id>", SessionView.as_view()),
]
