"""One call over HTTP: what goes out, and how much of an answer comes in.

No exception leaves it, for its frames hold the API key and the token.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar

import requests
from requests.adapters import HTTPAdapter

from .. import __version__
from ..conf import Secret, app_settings
from ..exceptions import ConvaiRefused, ConvaiTokensError, ConvaiUnavailable, ErrorCode
from .answers import PATHS, Verb
from .failures import name_of, no_answer

MAX_BODY = 64 * 1024
POOL_SIZE = 32  # as wide as the threads that may wait on Convai; a narrower one churns connections

T = TypeVar("T")
# Turns status, headers and body into a result, or into the outcome that stands for a failure.
Reader = Callable[[int, Mapping[str, str], bytes], T | ConvaiTokensError]


class Transport:
    """Kept-alive connections to ``base_url``. Safe to share between threads, not over a fork."""

    def __init__(self, base_url: str, connect_timeout: float, read_timeout: float) -> None:
        self._base_url = base_url.rstrip("/")
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._http = requests.Session()
        # What any deployment tool may set in the environment must not steer the API key: no proxy,
        # no .netrc, no REQUESTS_CA_BUNDLE.
        self._http.trust_env = False
        # A cookie from one learner's answer would go out with the next one's call.
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self._http.mount(scheme, HTTPAdapter(pool_connections=2, pool_maxsize=POOL_SIZE))

    def exchange(
        self, verb: Verb, token: Secret | None, deadline: float, read: Reader[T]
    ) -> T | ConvaiTokensError:
        """Return what ``read`` makes of the answer, or the outcome of no answer. Never raises.

        ``deadline`` is a time of ``time.monotonic()``. A name look-up or headers that drip may take
        longer, and the caller has to see to that.
        """
        try:
            # Here, and not in the caller's thread: a callable may ask a vault that is slow.
            api_key = app_settings.api_key()
        except Exception as error:  # noqa: BLE001 - it may be the project's own callable
            return ConvaiRefused(
                f"The API key can't be read: {name_of(error)}.", code=ErrorCode.CONVAI_NO_KEY
            )
        body = {} if token is None else {"apiAuthToken": token}
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return ConvaiUnavailable("No time is left for Convai.", code=ErrorCode.CONVAI_TIMEOUT)
        try:
            with self._http.post(
                self._base_url + PATHS[verb],
                data=Secret(json.dumps(body)),
                headers={
                    "CONVAI-API-KEY": api_key,
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    "User-Agent": f"django-convai-tokens/{__version__}",
                },
                timeout=(min(self._connect_timeout, remaining), min(self._read_timeout, remaining)),
                # A redirect to another host would take the key along.
                allow_redirects=False,
                stream=True,
            ) as response:
                content = self._read(response, deadline)
                if isinstance(content, ConvaiTokensError):
                    return content
                return read(response.status_code, response.headers, content)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong out there is an outcome
            return no_answer(verb, error)

    @staticmethod
    def _read(response: requests.Response, deadline: float) -> bytes | ConvaiUnavailable:
        """Return the body, which has to arrive by ``deadline`` and within 64 kB."""
        content = bytearray()
        # read1() returns what one receive brings; read() would wait for a body that drips.
        while chunk := response.raw.read1(MAX_BODY):
            content += chunk
            if len(content) > MAX_BODY:
                return ConvaiUnavailable("Convai's answer is over 64 kB.", maybe_done=True)
            if time.monotonic() > deadline:
                return ConvaiUnavailable(
                    "Convai's answer came too slowly.",
                    code=ErrorCode.CONVAI_TIMEOUT,
                    maybe_done=True,
                )
        return bytes(content)
