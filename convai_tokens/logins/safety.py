"""What keeps a failure of ours from being the LMS's.

All login stacks send with ``send``: a receiver that raises turns a login into a 500, and a logout
into no logout.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial, wraps
from typing import ParamSpec

from django.core.exceptions import ImproperlyConfigured

from ..exceptions import ConvaiTokensError, Misconfigured
from ..lifecycle.audit import after_commit
from ..lifecycle.retrying import REFUSED, try_until_taken
from ..secret import Hidden

P = ParamSpec("P")

logger = logging.getLogger("convai_tokens")


def never_raises(function: Callable[P, object]) -> Callable[P, None]:
    """Log what goes wrong in the function."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception:
            logger.exception("convai_tokens: %s failed", function.__name__)

    return wrapped


def never_shows(function: Callable[P, object]) -> Callable[P, None]:
    """Be ``never_raises`` for a receiver of rows whose text is a secret, as a Django session's is.

    Crash reporters list the local variables of each frame. So the function deletes its own name for
    the row as soon as it has taken what it needs.
    """

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        call = Hidden(partial(function, *args, **kwargs))
        del args, kwargs
        try:
            call.reveal()()
        except Exception:
            logger.exception("convai_tokens: %s failed", function.__name__)

    return wrapped


def told(error: Exception) -> ConvaiTokensError:
    """Return what a client is told of a failure; log it if it is no outcome of this app's."""
    if isinstance(error, ConvaiTokensError):
        return error
    if isinstance(error, ImproperlyConfigured):
        logger.error("A learner gets no token: %s", error)
        return Misconfigured()
    logger.error("A learner gets no token.", exc_info=error)
    return ConvaiTokensError()


def retry_after_commit(
    using: str, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs
) -> None:
    """Call the function; if the database refuses, again when ``using`` has committed.

    And if it still refuses then, until it takes it.
    """
    try:
        function(*args, **kwargs)
    except REFUSED:
        after_commit(using, partial(try_until_taken, function), *args, **kwargs)
        raise
