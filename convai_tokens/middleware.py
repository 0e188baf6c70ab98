"""Adds the Convai block to a login response, after the view and its transaction have finished."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse

from .logins.ends import follow_session, look_again
from .logins.notes import current_request, has_token_in_page
from .logins.response import extend_content, extend_data, forbid_caching


class ConvaiTokenMiddleware:
    """Place it after Django's session and authentication middleware, and inside GZip's.

    Whatever goes wrong in here is logged, and the LMS's response goes out as it was.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = current_request.set(request)
        try:
            response = self.get_response(request)
        finally:
            current_request.reset(token)
        follow_session(request, response)
        look_again(request)
        extend_content(request, response)
        if has_token_in_page(request):
            forbid_caching(response)
        return response

    def process_template_response(
        self, request: HttpRequest, response: SimpleTemplateResponse
    ) -> SimpleTemplateResponse:
        """Extend a DRF response as data."""
        extend_data(request, response)
        return response
