"""What the breaker and the bulkhead cost a call: ``python -m benchmarks.breaker``.

Microseconds of one thread, beside those of an empty call in the same run. The exit status is 1 when
one of them costs more than ``LIMIT``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

from convai_tokens.convai.breaker import Breaker
from convai_tokens.convai.bulkhead import Bulkhead

LIMIT = 5.0  # µs a call


def empty() -> None:
    """Do nothing."""


def breaker_call() -> Callable[[], None]:
    """Return what a call of a healthy Convai asks the breaker: may it go, and how it went."""
    breaker, outcome = Breaker("learners' tokens"), object()

    def call() -> None:
        breaker.check()
        breaker.heard(outcome)

    return call


def bulkhead_call() -> Callable[[], None]:
    """Return what it takes to hold a slot, while slots are free."""
    bulkhead = Bulkhead(8)

    def call() -> None:
        with bulkhead.slot(3.0):
            pass

    return call


def microseconds(call: Callable[[], None], calls: int) -> float:
    """Return the time of one call."""
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls * 1e6


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.breaker", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000, help="of one run")
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    calls = {
        "an empty call": empty,
        "breaker, closed: check() and heard()": breaker_call(),
        "bulkhead, a slot free: slot()": bulkhead_call(),
    }
    # In turns, so that the machine's noise hits all of them alike.
    runs = [
        [microseconds(call, options.calls) for call in calls.values()] for _ in range(options.runs)
    ]
    medians = [statistics.median(times) for times in zip(*runs, strict=True)]
    print(
        f"Median of {options.runs} runs of {options.calls} calls, at most {LIMIT:.0f} µs wanted.\n"
    )
    print("| call | µs |\n| --- | --- |")
    for name, median in zip(calls, medians, strict=True):
        print(f"| {name} | {median:.2f} |")
    return int(max(medians) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
