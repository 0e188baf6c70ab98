"""What the sandbox itself can do: revoke calls in a closed loop, nothing of ours in between."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor

PROCESSES = 2


def calls_per_second(port: int, callers: int, seconds: float) -> float:
    """Return how many revoke calls a second the sandbox answers to so many callers."""
    share = -(-callers // PROCESSES)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        arguments = [(port, share, seconds)] * PROCESSES
        return sum(pool.map(_call, *zip(*arguments, strict=True)))


def _call(port: int, callers: int, seconds: float) -> float:
    """Call for about so many seconds; return how many answers came in one of them."""
    rates = [0.0] * callers
    body = json.dumps({"apiAuthToken": "a token that nobody has"})
    headers = {"CONVAI-API-KEY": "key-of-the-harness", "Content-Type": "application/json"}

    def loop(position: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.connect()
        started = now = time.monotonic()
        answers = 0
        while now < started + seconds:
            connection.request("POST", "/user/revoke-token", body, headers)
            connection.getresponse().read()
            answers += 1
            now = time.monotonic()
        # By the whole calls' own time: a last one cut off would be a tenth of all.
        rates[position] = answers / (now - started)
        connection.close()

    threads = [threading.Thread(target=loop, args=(position,)) for position in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates)
