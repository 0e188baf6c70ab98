"""How a call that got no whole answer is read: was it sent, and was anything answered?"""

from __future__ import annotations

import logging
import re
import ssl

import urllib3

from ..exceptions import ConvaiUnavailable, ErrorCode
from .answers import PATHS, Verb
from .deadline import NoThreadLeft
from .proxy import ProxyRefused
from .sockets import Call

DROPPED = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


def no_answer(verb: Verb, error: Exception, call: Call) -> ConvaiUnavailable:
    """Return the outcome of a call that got no whole answer.

    What counts is whether anything was sent: the kind of an exception tells little of that.
    """
    if not call.sent:
        return _not_sent(error)
    if isinstance(error, (TimeoutError, urllib3.exceptions.TimeoutError)):
        text, code = f"Convai did not answer to {verb} in time.", ErrorCode.CONVAI_TIMEOUT
    elif isinstance(error, DROPPED) and not call.answered:
        text = "Convai closed the connection without an answer."
        code = ErrorCode.CONVAI_DROPPED
    else:
        text = f"The call to Convai failed: {name_of(error)}."
        code = ErrorCode.CONVAI_UNAVAILABLE
    return ConvaiUnavailable(text, code=code, maybe_done=True)


def _not_sent(error: Exception) -> ConvaiUnavailable:
    """Return the outcome of a call that never left, so that nothing was done."""
    if isinstance(error, NoThreadLeft):
        return ConvaiUnavailable(f"Convai was not called. {error}", code=ErrorCode.CONVAI_BUSY)
    if isinstance(error, TimeoutError):
        return ConvaiUnavailable(
            "Convai could not be reached in time.", code=ErrorCode.CONVAI_TIMEOUT
        )
    if isinstance(error, ProxyRefused):
        return ConvaiUnavailable(f"Convai could not be reached. {error}")
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return ConvaiUnavailable("Convai could not be reached.")
    return ConvaiUnavailable(f"No call was made to Convai: {name_of(error)}.")


def name_of(error: Exception) -> str:
    """Return the name of an exception's class in words, since ``clean_text`` hides long ones."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__)


def _is_harmless(record: logging.LogRecord) -> bool:
    """Tell whether urllib3 may log this: malformed headers may echo a key or a token."""
    return "parse headers" not in str(record.msg) or not any(
        path in str(record.args) for path in PATHS.values()
    )


def hide_secrets_from_urllib3() -> None:
    """Keep urllib3 from logging what an answer to one of our calls may echo."""
    logging.getLogger("urllib3.connection").addFilter(_is_harmless)
