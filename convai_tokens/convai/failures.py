"""How a call that got no whole answer is read: was Convai reached, and may it have acted?"""

from __future__ import annotations

import http.client
import logging
import re
import ssl

import requests
import urllib3

from ..exceptions import ConvaiUnavailable, ErrorCode
from .answers import PATHS, Verb


def no_answer(verb: Verb, error: Exception) -> ConvaiUnavailable:
    """Return the outcome of a call that got no whole answer."""
    name = name_of(error)
    if isinstance(error, requests.ConnectTimeout):
        return ConvaiUnavailable(
            "Convai could not be reached in time.", code=ErrorCode.CONVAI_TIMEOUT
        )
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return ConvaiUnavailable(
            f"Convai did not answer to {verb} in time.",
            code=ErrorCode.CONVAI_TIMEOUT,
            maybe_done=True,
        )
    causes = _causes(error)
    if any(isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in causes):
        return ConvaiUnavailable("Convai could not be reached.")
    unsent = (ssl.SSLCertVerificationError, requests.exceptions.InvalidHeader)
    if any(isinstance(cause, unsent) for cause in causes):
        return ConvaiUnavailable(f"No call was made to Convai: {name}.")
    dropped = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
    if any(isinstance(cause, dropped) for cause in causes):
        return ConvaiUnavailable(
            "Convai closed the connection without an answer.",
            code=ErrorCode.CONVAI_DROPPED,
            maybe_done=True,
        )
    return ConvaiUnavailable(f"The call to Convai failed: {name}.", maybe_done=True)


def name_of(error: Exception) -> str:
    """Return the name of an exception's class in words, since ``clean_text`` hides long ones."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__)


def _causes(error: BaseException) -> list[BaseException]:
    """Return the exceptions that requests and urllib3 wrapped, outermost first."""
    found: list[BaseException] = []
    todo = [error]
    while todo:
        current = todo.pop()
        if current not in found:
            found.append(current)
            nested = [*current.args, getattr(current, "reason", None)]
            todo += [item for item in nested if isinstance(item, BaseException)]
    return found


def _is_harmless(record: logging.LogRecord) -> bool:
    """Tell whether urllib3 may log this: malformed headers may echo a key or a token."""
    return "parse headers" not in str(record.msg) or not any(
        path in str(record.args) for path in PATHS.values()
    )


def hide_secrets_from_urllib3() -> None:
    """Keep urllib3 from logging what an answer to one of our calls may echo."""
    logging.getLogger("urllib3.connection").addFilter(_is_harmless)
