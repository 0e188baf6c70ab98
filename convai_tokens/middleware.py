"""Adds the Convai block to a login response, after the view and its transaction have finished."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse

from .logins.ends import follow_session, look_again
from .logins.kiosk import end_what_was_left
from .logins.notes import current_request, has_token_in_page, noted_anything, noted_login
from .logins.response import extend_content, extend_data, forbid_caching
from .logins.unsignalled import may_be_login


class ConvaiTokenMiddleware:
    """Place it after Django's session and authentication middleware, and inside GZip's.

    Whatever goes wrong in here is logged, and the LMS's response goes out as it was. Under ASGI it
    is asynchronous where the middleware below it is, and switches to a thread for the requests
    alone that it has something to do for.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
            # Django looks whether the method is a coroutine function.
            self.process_template_response = self._extend_data  # type: ignore[method-assign]

    def __call__(self, request: HttpRequest) -> Any:
        if self._is_async:
            return self._call(request)
        token = current_request.set(request)
        try:
            response = cast(HttpResponseBase, self.get_response(request))
        finally:
            current_request.reset(token)
        if noted_anything(request) or may_be_login(request, response):
            finish(request, response)
        return response

    async def _call(self, request: HttpRequest) -> HttpResponseBase:
        token = current_request.set(request)
        try:
            response = cast(HttpResponseBase, await self.get_response(request))
        finally:
            current_request.reset(token)
        if noted_anything(request) or may_be_login(request, response):
            await sync_to_async(finish)(request, response)
        return response

    def process_template_response(
        self, request: HttpRequest, response: SimpleTemplateResponse
    ) -> Any:
        """Extend a DRF response as data."""
        extend_data(request, response)
        return response

    async def _extend_data(
        self, request: HttpRequest, response: SimpleTemplateResponse
    ) -> SimpleTemplateResponse:
        if noted_login(request) is not None or may_be_login(request, response):
            await sync_to_async(extend_data)(request, response)
        return response


def finish(request: HttpRequest, response: HttpResponseBase) -> None:
    """Do what the request's logins and ends ask for."""
    follow_session(request, response)
    look_again(request, response)
    extend_content(request, response)
    note = noted_login(request)
    if note is not None:
        end_what_was_left(request, note)  # where there was no block, or no session for one
    if has_token_in_page(request):
        forbid_caching(response)
