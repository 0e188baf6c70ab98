"""Addresses of the LMS site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("healthz", views.healthz, name="healthz"),
    path("api/", include("lms_site.api.urls")),
    path("convai/", include("convai_tokens.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "lms_site.views.bad_request"
handler403 = "lms_site.views.permission_denied"
handler404 = "lms_site.views.page_not_found"
handler500 = "lms_site.views.server_error"
