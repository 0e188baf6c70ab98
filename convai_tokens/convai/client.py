"""The client of Convai's token API: generate, extend, revoke.

One kept-alive ``requests.Session`` per process serves all threads. Every failure comes out as one
of the outcomes in ``exceptions.py``, without the answer's body, the key or the token in it, and
without the chain of exceptions whose frames hold them.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Self, TypeVar

import requests
from requests.adapters import HTTPAdapter

from .. import __version__
from ..conf import Secret, app_settings
from ..exceptions import (
    ConvaiPaused,
    ConvaiRefused,
    ConvaiTokensError,
    ConvaiUnavailable,
    ErrorCode,
)
from .answers import (
    PATHS,
    GeneratedToken,
    Verb,
    answered_probe,
    confirmed_revoked,
    extended_until,
    generated_token,
)
from .breaker import Breaker
from .bulkhead import Bulkhead, busy
from .failures import name_of, no_answer

logger = logging.getLogger("convai_tokens")

MAX_BODY = 64 * 1024
# Calls in flight, those included that nobody waits for any more; more where MAX_CONCURRENT asks.
MAX_THREADS = 64
POOL_SIZE = 32  # as wide as the threads that may wait on Convai; a narrower one churns connections
# Codes of failures that are no failure of Convai's.
OURS = (ErrorCode.CONVAI_BUSY,)
# What a background probe revokes: whatever is answered, nothing has changed.
UNKNOWN_TOKEN = Secret("no-such-token")

T = TypeVar("T")
# Turns status, headers and body into a result, or into the outcome that stands for a failure.
Reader = Callable[[int, Mapping[str, str], bytes], T | ConvaiTokensError]


class ConvaiClient:
    """Talks to the token API at ``base_url``. Safe to share between threads, not over a fork."""

    def __init__(
        self,
        base_url: str,
        connect_timeout: float,
        read_timeout: float,
        max_concurrent: int = 8,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._whole = connect_timeout + read_timeout
        # Two, because Convai may revoke and not generate: what is said of the one door would open
        # the other to a crowd of learners, again and again.
        probe_timeout = self._whole + 1
        self.breaker = Breaker("learners' tokens", probe_timeout=probe_timeout)
        self.revoking = Breaker("revocations", probe_timeout=probe_timeout)
        self._bulkhead = Bulkhead(max_concurrent)
        self._threads = threading.BoundedSemaphore(max(MAX_THREADS, 2 * max_concurrent))
        self._http = requests.Session()
        # What any deployment tool may set in the environment must not steer the API key: no proxy,
        # no .netrc, no REQUESTS_CA_BUNDLE.
        self._http.trust_env = False
        # A cookie from one learner's answer would go out with the next one's call.
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self._http.mount(scheme, HTTPAdapter(pool_connections=2, pool_maxsize=POOL_SIZE))

    @classmethod
    def from_settings(cls) -> Self:
        """Return a client for the settings as they are now."""
        return cls(*_wanted())

    @contextmanager
    def reserve(self, budget: float | None = None) -> Iterator[float]:
        """Hold the right to make a learner's call; to be taken before anything is written for it.

        Gives the seconds of the ``budget`` that are left for the call. Raises ``ConvaiUnavailable``
        at once while Convai is known to be down, and after a wait when too many learners wait for
        it already: half of the budget at most, so that a call in a hurry doesn't pass for a failure
        of Convai's.
        """
        paused = self._paused()
        if paused is not None:
            raise paused
        probe = self.breaker.check()
        try:
            deadline = self._deadline(budget)
            with self._bulkhead.slot((deadline - time.monotonic()) / 2):
                yield deadline - time.monotonic()
        finally:
            self.breaker.give_back(probe)  # unless a call was made

    def why_unavailable(self) -> ConvaiUnavailable | None:
        """Return why no learner's call would be made now, None if one would. Waits for nobody."""
        return self._paused() or (busy() if self._bulkhead.stuck else None)

    def generate(self, budget: float | None = None, *, again: bool = False) -> GeneratedToken:
        """Generate a token within ``budget`` seconds (default: one call's timeouts).

        To be called within ``reserve()``. Raises ``ConvaiUnavailable`` or ``ConvaiRefused``. A
        ``convai_dropped`` is held against Convai only when it comes ``again``: the first may have
        met a kept-alive connection that somebody on the way had closed.
        """
        deadline, excused = (
            self._deadline(budget),
            OURS if again else (*OURS, ErrorCode.CONVAI_DROPPED),
        )
        return self._call(self.breaker, "generate", {}, deadline, generated_token, excused=excused)

    def extend(self, value: Secret, budget: float | None = None) -> datetime:
        """Extend the token; return its new end as aware UTC.

        To be called within ``reserve()``. Raises ``ConvaiUnavailable``, ``ConvaiRefused``,
        ``TokenRejected`` or ``TokenGone``.
        """
        deadline, body = self._deadline(budget), {"apiAuthToken": value}
        return self._call(self.breaker, "extend", body, deadline, extended_until, tries=2)

    def revoke(self, value: Secret, budget: float | None = None) -> None:
        """Revoke the token; return when Convai has confirmed it.

        Needs no admission: few threads revoke. Raises ``ConvaiPaused``, ``ConvaiUnavailable``,
        ``ConvaiRefused``, ``TokenRejected`` or ``TokenGone``.
        """
        self.revoking.check()
        deadline, body = self._deadline(budget), {"apiAuthToken": value}
        self._call(self.revoking, "revoke", body, deadline, confirmed_revoked, tries=2)

    def _paused(self) -> ConvaiPaused | None:
        """Return the outcome of a learner's call while the breaker is open, None if it may go.

        If it is time to, ask in the background whether Convai answers; this call won't wait for it.
        """
        left, probe = self.breaker.learners_pause()
        if probe:
            # Where the system gives no further thread, a later call finds it due again.
            with suppress(RuntimeError):
                threading.Thread(
                    target=self._background_probe, name="convai-probe", daemon=True
                ).start()
        if not left:
            return None
        return ConvaiPaused("Convai is not being called for now.", retry_after=left)

    def _background_probe(self) -> None:
        """Make a call that changes nothing; the breaker hears how it went."""
        # As long as a learner would wait: an answer that is too late for one is none.
        deadline = self._deadline(min(self._whole, app_settings.LOGIN_BUDGET))
        body = {"apiAuthToken": UNKNOWN_TOKEN}
        with suppress(ConvaiTokensError):
            self._call(self.breaker, "revoke", body, deadline, answered_probe, tries=2)

    def _deadline(self, budget: float | None) -> float:
        return time.monotonic() + (self._whole if budget is None else budget)

    def _call(
        self,
        breaker: Breaker,
        verb: Verb,
        body: Mapping[str, str],
        deadline: float,
        read: Reader[T],
        *,
        tries: int = 1,
        excused: Collection[ErrorCode] = OURS,
    ) -> T:
        """Make one call, and be back by ``deadline`` whatever happens.

        With two ``tries`` it is made again when a kept-alive connection turned out to be closed;
        not so *generate*, since a second one would be a second token. The breaker doesn't hear
        of failures whose code is ``excused``.

        The call runs in a thread of its own, because no timeout of ``requests`` bounds a look-up
        of the name or an answer that drips; a thread left behind ends by its own timeouts.
        """
        code: ErrorCode | None = ErrorCode.CONVAI_DROPPED
        while tries and code == ErrorCode.CONVAI_DROPPED:
            tries -= 1
            started = time.monotonic()
            result = self._in_thread(verb, body, deadline, read)
            logger.debug("convai %s took %.0f ms", verb, (time.monotonic() - started) * 1000)
            code = result.code if isinstance(result, ConvaiTokensError) else None
        if code not in excused:
            breaker.heard(result, started)
        if isinstance(result, ConvaiTokensError):
            raise result
        return result

    def _in_thread(
        self, verb: Verb, body: Mapping[str, str], deadline: float, read: Reader[T]
    ) -> T | ConvaiTokensError:
        """Return the outcome of ``_exchange``, or that of its being late."""
        if not self._threads.acquire(blocking=False):
            return ConvaiUnavailable(
                "Too many calls to Convai hang already.", code=ErrorCode.CONVAI_BUSY
            )
        outcome: queue.SimpleQueue[T | ConvaiTokensError] = queue.SimpleQueue()

        def run() -> None:
            try:
                outcome.put(self._exchange(verb, body, deadline, read))
            finally:
                self._threads.release()

        try:
            threading.Thread(target=run, name=f"convai-{verb}", daemon=True).start()
        except RuntimeError:  # the system gives this process no further thread
            self._threads.release()
            return ConvaiUnavailable(
                "No thread is left for a call to Convai.", code=ErrorCode.CONVAI_BUSY
            )
        try:
            return outcome.get(timeout=max(deadline - time.monotonic(), 0.0))
        except queue.Empty:
            return ConvaiUnavailable(
                f"Convai did not answer to {verb} in time.",
                code=ErrorCode.CONVAI_TIMEOUT,
                maybe_done=True,
            )

    def _exchange(
        self, verb: Verb, body: Mapping[str, str], deadline: float, read: Reader[T]
    ) -> T | ConvaiTokensError:
        """Return what ``read`` makes of the answer, or the outcome of no answer. Never raises."""
        try:
            # Here, and not in the caller's thread: a callable may ask a vault that is slow.
            api_key = app_settings.api_key()
        except Exception as error:  # noqa: BLE001 - it may be the project's own callable
            return ConvaiRefused(
                f"The API key can't be read: {name_of(error)}.", code=ErrorCode.CONVAI_NO_KEY
            )
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


def _wanted() -> tuple[str, float, float, int]:
    """Return what a client is made of, as the settings are now."""
    return (
        app_settings.BASE_URL,
        app_settings.CONNECT_TIMEOUT,
        app_settings.READ_TIMEOUT,
        app_settings.MAX_CONCURRENT,
    )


_lock = threading.Lock()
_current: tuple[tuple[Any, ...], ConvaiClient] | None = None


def get_client() -> ConvaiClient:
    """Return this process's client for the settings as they are now."""
    global _current
    wanted = _wanted()
    current = _current
    if current is not None and current[0] == wanted:  # the common case, without the lock
        return current[1]
    with _lock:
        if _current is None or _current[0] != wanted:
            _current = (wanted, ConvaiClient(*wanted))
        return _current[1]


def forget_client() -> None:
    """Start anew: a child of a fork must leave the parent's connections and lock to the parent."""
    global _current, _lock
    _current, _lock = None, threading.Lock()
