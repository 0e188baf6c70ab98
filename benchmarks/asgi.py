"""What the middleware adds to a request that is no login under ASGI: ``python -m benchmarks.asgi``.

One process serves an asynchronous view to itself by Django's ASGI handler, in turns: without the
middleware, with it as it is, and with it as a middleware that is synchronous alone, for which
Django switches to a thread and back. Prints the medians and their ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

NATIVE = "convai_tokens.middleware.ConvaiTokenMiddleware"
SWITCHING = f"{__name__}.switching"
WAYS: dict[str, list[str]] = {"without": [], "native": [NATIVE], "switching": [SWITCHING]}


async def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("a page")


def switching(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Be the middleware for synchronous servers: Django adapts it where the server isn't."""
    from convai_tokens.middleware import ConvaiTokenMiddleware

    return ConvaiTokenMiddleware(get_response)


switching.sync_capable, switching.async_capable = True, False  # type: ignore[attr-defined]
urlpatterns = [path("", page)]


def handler(middleware: Sequence[str]) -> Any:
    """Return a handler that has this middleware, and no other."""
    from django.core.handlers.asgi import ASGIHandler

    settings.MIDDLEWARE = [*middleware]
    return ASGIHandler()


async def requests(serve: Callable[..., Awaitable[None]], count: int) -> float:
    """Make so many requests, one after another; return the microseconds of one."""
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}

    async def send(message: dict[str, Any]) -> None:
        assert message.get("status", 200) == 200

    started = time.perf_counter()
    for _ in range(count):
        asked: Iterator[dict[str, Any]] = iter([{"type": "http.request", "body": b""}])
        closed: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        async def receive(
            asked: Iterator[dict[str, Any]] = asked, closed: Any = closed
        ) -> dict[str, Any]:
            for message in asked:
                return message
            gone: dict[str, Any] = await closed
            return gone

        await serve(dict(scope), receive, send)
    return (time.perf_counter() - started) / count * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asgi", description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--requests", type=int, default=2000, help="of a turn")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    settings.ROOT_URLCONF = __name__
    django.setup()
    serving = {name: handler(middleware) for name, middleware in WAYS.items()}
    turns: dict[str, list[float]] = {name: [] for name in WAYS}
    for turn in range(options.turns + 1):
        for name, serve in serving.items():
            took = asyncio.run(requests(serve, options.requests))
            turns[name] += [took] if turn else []  # the first one warms up
    medians = {name: statistics.median(times) for name, times in turns.items()}
    for name, times in turns.items():
        added = medians[name] - medians["without"]
        print(
            f"{name:10} {medians[name]:7.0f} us a request ({min(times):.0f} to {max(times):.0f}), "
            f"adds {added:.0f} us, x {medians[name] / medians['without']:.2f}"
        )


if __name__ == "__main__":
    main()
