"""A double of Convai for an LMS's own tests: it answers without a network. docs/testing.md.

with ConvaiDouble() as convai:
    response = self.client.post("/login/", ...)
    token = convai.assert_has_token(response)
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from unittest import mock

from django.test import override_settings

from .conf import configured
from .convai import client as convai_client
from .convai.answers import Verb
from .convai.transport import Transport
from .dispatch import inline
from .lifecycle.sealing import fingerprint
from .models import ConvaiToken
from .secret import Secret

DISPATCHER = "convai_tokens.dispatch.inline"


class ConvaiDouble:
    """Stands in for Convai while it is entered. Not to be shared between threads.

    ``live`` has the values of the tokens that are alive, oldest first; ``calls`` counts the calls
    by verb. While ``is_down`` is true, every call is answered with 503. Revocations run at once,
    in the caller's thread, as far as the test commits.
    """

    def __init__(self) -> None:
        self.live: list[str] = []
        self.calls: dict[Verb, int] = {"generate": 0, "extend": 0, "revoke": 0}
        self.is_down = False
        self._numbers = itertools.count(1)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        given = {**configured(), "DISPATCHER": DISPATCHER}
        if not given.get("API_KEY"):
            given["API_KEY"] = "of-the-double"
        self._stack.enter_context(override_settings(CONVAI_TOKENS=given))
        # The client is the real one; what goes out is answered here.
        answer = mock.patch.object(Transport, "exchange", side_effect=self._exchange)
        self._stack.enter_context(answer)
        convai_client.forget_client()
        self._stack.callback(convai_client.forget_client)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def assert_has_token(self, response: Any) -> str:
        """Return the live token in a response of the LMS's; fail if there is none."""
        text = response.content.decode()
        for value in self.live:
            if value in text:
                return value
        raise AssertionError(f"The response has no live token in it: {_shown(text)}")

    def assert_no_token(self, response: Any, code: str = "") -> None:
        """Fail if a response has a token in it, or, with a ``code``, another error or none."""
        text = response.content.decode()
        if any(value in text for value in self.live):
            raise AssertionError("The response has a token in it.")
        if code and f'"{code}"' not in text:
            raise AssertionError(f"The response has no error {code!r} in it: {_shown(text)}")

    def assert_revoked(self, token: str) -> None:
        """Fail if a token is alive, once what is owed was revoked.

        In a ``TestCase`` nothing is ever committed, so that what is owed is revoked here.
        """
        rows = ConvaiToken.primary.filter(fingerprint=fingerprint(Secret(token)))
        inline(list(rows.owed().values_list("pk", flat=True)))
        if token in self.live:
            stands = ", ".join(rows.values_list("status", flat=True)) or "of no row"
            raise AssertionError(f"The token is alive; it is {stands}.")

    def _exchange(self, verb: Verb, token: Secret | None, deadline: float, read: Any) -> Any:
        """Answer in the transport's place."""
        self.calls[verb] += 1
        status, answer = (503, {}) if self.is_down else self._answer(verb, token)
        return read(status, {}, Secret(json.dumps(answer)))

    def _answer(self, verb: Verb, token: Secret | None) -> tuple[int, Mapping[str, str]]:
        ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        value = token.reveal() if token else f"token-of-the-double-{next(self._numbers)}"
        if verb == "generate":
            self.live.append(value)
            return 200, {"apiAuthToken": value, "expirationTime": ends}
        if value not in self.live:
            return 404, {"ERROR": "Unknown token."}
        if verb == "extend":
            return 200, {"expirationTime": ends}
        self.live.remove(value)
        return 200, {"STATUS": "SUCCESS"}


def _shown(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]}…"
