"""The client of Convai's token API: generate, extend, revoke.

One pool of kept-alive connections per process serves all threads. Every failure comes out as one of
the outcomes in ``exceptions.py``, without the answer's body, the key or the token in it, and
without the chain of exceptions whose frames hold them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Self, TypeVar

from django.core.exceptions import ImproperlyConfigured

from ..conf import app_settings, configured
from ..exceptions import ConvaiPaused, ConvaiTokensError, ErrorCode
from ..secret import Hidden, Secret
from .answers import (
    GeneratedToken,
    Verb,
    answered_probe,
    confirmed_revoked,
    extended_until,
    generated_token,
)
from .breaker import Breaker
from .bulkhead import Bulkhead, busy
from .proxy import Proxy
from .times import Lifetime
from .transport import Reader, Transport

logger = logging.getLogger("convai_tokens")

# That look up a name or ask for the key, those included that nobody waits for any more; more where
# MAX_CONCURRENT asks.
SOON = 1.0  # seconds after which a learner's client may try again while the breaker is closed
MAX_THREADS = 64
# What a background probe revokes: whatever is answered, nothing has changed.
UNKNOWN_TOKEN = Secret("no-such-token")

T = TypeVar("T")


class ConvaiClient:
    """Talks to the token API at ``base_url``. Safe to share between threads, not over a fork."""

    def __init__(
        self,
        base_url: str,
        connect_timeout: float,
        read_timeout: float,
        max_concurrent: int = 8,
        proxy: str | Secret = "",
        ca_bundle: str = "",
    ) -> None:
        threads = max(MAX_THREADS, 2 * max_concurrent)
        self._transport = Transport(
            base_url, connect_timeout, read_timeout, threads, Proxy.of(Secret.of(proxy)), ca_bundle
        )
        self._call_timeout = connect_timeout + read_timeout
        # Two, because Convai may revoke and not generate: what is said of the one door would open
        # the other to a crowd of learners, again and again.
        probe_timeout = self._call_timeout + 1
        self.breaker = Breaker("learners' tokens", probe_timeout=probe_timeout)
        self.revoking = Breaker("revocations", probe_timeout=probe_timeout)
        self._bulkhead = Bulkhead(max_concurrent)

    @classmethod
    def from_settings(cls) -> Self:
        """Return a client for the settings as they are now.

        Raises ``ImproperlyConfigured`` when one is what it must never be.
        """
        if problem := app_settings.proxy_problem():
            raise ImproperlyConfigured(problem)
        return cls(*_parameters())

    @contextmanager
    def reserve(self, budget: float | None = None) -> Iterator[float]:
        """Hold the right to make a learner's call; to be taken before anything is written for it.

        Gives the seconds of the ``budget`` that are left for the call. Raises ``ConvaiUnavailable``
        at once while Convai is known to be down, and after a wait when too many learners wait for
        it already: half of the budget at most, so that a call in a hurry doesn't pass for a failure
        of Convai's.
        """
        self._check_pause()
        probe = self.breaker.check()
        try:
            deadline = self._deadline(budget)
            with self._bulkhead.slot((deadline - time.monotonic()) / 2):
                yield deadline - time.monotonic()
        finally:
            self.breaker.give_back(probe)  # unless a call was made

    def check_available(self) -> None:
        """Raise ``ConvaiUnavailable`` if no learner's call would be made now. Waits for nobody."""
        self._check_pause()
        if self._bulkhead.stuck:
            raise busy()

    def generate(self, budget: float | None = None, *, again: bool = False) -> GeneratedToken:
        """Generate a token within ``budget`` seconds (default: one call's timeouts).

        To be called within ``reserve()``. Raises ``ConvaiUnavailable`` or ``ConvaiRefused``. A
        ``convai_dropped`` is held against Convai only when it comes ``again``: the first may have
        met a kept-alive connection that somebody on the way had closed.
        """
        excused = () if again else (ErrorCode.CONVAI_DROPPED,)
        deadline = self._deadline(budget)
        return self._call(
            self.breaker, "generate", None, deadline, generated_token, excused=excused
        )

    def extend(self, value: Secret, budget: float | None = None) -> Lifetime:
        """Extend the token; return how long it lives now.

        To be called within ``reserve()``. Raises ``ConvaiUnavailable``, ``ConvaiRefused``,
        ``TokenRejected`` or ``TokenGone``.
        """
        deadline = self._deadline(budget)
        # Extend isn't documented: an answer that isn't understood must not stop generating.
        excused = (ErrorCode.CONVAI_NOT_UNDERSTOOD,)
        return self._call(self.breaker, "extend", value, deadline, extended_until, excused=excused)

    def revoke(self, value: Secret, budget: float | None = None) -> str:
        """Revoke the token; return in which words Convai has confirmed it.

        Needs no ``reserve()``: few threads revoke. Raises ``ConvaiPaused``, ``ConvaiUnavailable``,
        ``ConvaiRefused``, ``TokenRejected`` or ``TokenGone``.
        """
        self.revoking.check()
        deadline = self._deadline(budget)
        return self._call(self.revoking, "revoke", value, deadline, confirmed_revoked)

    def _check_pause(self) -> None:
        """Raise ``ConvaiPaused`` while the breaker is open for learners.

        Who waits for as long as it says, and Convai is well by then, gets through: where it hung,
        a background probe has asked before.
        """
        pause = self.breaker.learners_pause(self._lead)
        if pause.probe_in is not None:
            timer = threading.Timer(pause.probe_in, self._background_probe)
            timer.name, timer.daemon = "convai-probe", True
            # Where the system gives no further thread, a later call finds it due again.
            with suppress(RuntimeError):
                timer.start()
        if pause.seconds:
            raise ConvaiPaused("Convai is not being called for now.", retry_after=pause.seconds)

    def _background_probe(self) -> None:
        """Make a call that changes nothing; the breaker hears how it went."""
        if self.breaker.start_background_probe(self._lead):
            with suppress(ConvaiTokensError):
                deadline = self._deadline(self._lead)
                self._call(self.breaker, "revoke", UNKNOWN_TOKEN, deadline, answered_probe)

    @property
    def _lead(self) -> float:
        """As long as a learner would wait: an answer that is too late for one is none."""
        return min(self._call_timeout, app_settings.LOGIN_BUDGET)

    def _deadline(self, budget: float | None) -> float:
        return time.monotonic() + (self._call_timeout if budget is None else budget)

    def _call(
        self,
        breaker: Breaker,
        verb: Verb,
        token: Secret | None,
        deadline: float,
        read: Reader[T],
        *,
        excused: Collection[ErrorCode] = (),
    ) -> T:
        """Make one call, and be back by ``deadline`` whatever happens.

        It is made again when a kept-alive connection turned out to be closed; not so *generate*,
        since a second one would be a second token. The breaker doesn't hear of failures whose code
        is ``excused``, nor of our own want of threads.
        """
        for _ in range(1 if verb == "generate" else 2):
            began = time.monotonic()
            result = self._transport.exchange(verb, token, deadline, read)
            logger.debug("convai %s took %.0f ms", verb, (time.monotonic() - began) * 1000)
            code = result.code if isinstance(result, ConvaiTokensError) else None
            if code != ErrorCode.CONVAI_DROPPED:
                break
        if code not in (ErrorCode.CONVAI_BUSY, *excused):
            breaker.heard(result, began)
        if isinstance(result, ConvaiTokensError):
            if result.retry_after is None and breaker is self.breaker:
                # What is true of this moment: at once, unless the breaker is open.
                result.retry_after = max(breaker.pause_left, SOON)
            try:
                raise result
            finally:
                del result  # or it and the frames of its traceback would keep each other alive
        return result


Parameters = tuple[str, float, float, int, str | Secret, str]  # of ConvaiClient


def _parameters() -> Parameters:
    """Return what a client is made of, as the settings are now."""
    return (
        app_settings.BASE_URL,
        app_settings.CONNECT_TIMEOUT,
        app_settings.READ_TIMEOUT,
        app_settings.MAX_CONCURRENT,
        app_settings.PROXY,
        app_settings.CA_BUNDLE,
    )


class Current(NamedTuple):
    """This process's client: the settings that it was last seen to fit, and what it is made of."""

    settings: Hidden[dict[str, Any]]
    parameters: Parameters
    client: ConvaiClient


_lock = threading.Lock()
_current: Current | None = None


def get_client() -> ConvaiClient:
    """Return this process's client for the settings as they are now.

    Raises ``ImproperlyConfigured`` when one is what it must never be.
    """
    global _current
    current = _current
    if current is not None and current.settings.reveal() == configured():
        return current.client  # the common case: without the lock, or a look at each setting
    wanted = _parameters()
    with _lock:
        fits = _current is not None and _current.parameters == wanted
        client = _current.client if _current and fits else ConvaiClient.from_settings()
        _current = Current(Hidden({**configured()}), wanted, client)
        return client


def forget_client() -> None:
    """Start anew: a child of a fork must leave the parent's connections and lock to the parent."""
    global _current, _lock
    _current, _lock = None, threading.Lock()
