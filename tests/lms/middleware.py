"""Middleware as sites have it around us."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class IdleTimeout:
    """Logs out whoever was idle for too long: here, whoever says so."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.headers.get("X-Idle"):
            request.session.flush()
        return self.get_response(request)
