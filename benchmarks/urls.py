"""Addresses of the LMS site as it was before it installed the app."""

from __future__ import annotations

from django.urls import include, path

from lms_site import views

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("api/", include("lms_site.api.urls")),
]
