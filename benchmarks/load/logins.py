"""A site that serves logins to itself: reads how many it is to do, prints what one of them took.

A script of its own, so that the same one measures an older checkout: it takes the site that
``PYTHONPATH`` leads to.
"""

from __future__ import annotations

import sys
import time

import django

USERS = 20  # each has logged in before: who does for the first time in life costs more


def serve(path: str) -> None:
    """Log the learners in as often as each line says; print the CPU time of one in µs."""
    from django.test import Client

    from benchmarks.load.client import PASSWORD, username

    client = Client()
    for line in sys.stdin:
        began = time.process_time()
        for number in range(int(line)):
            data = {"username": username(number % USERS), "password": PASSWORD}
            answer = client.post(path, data, content_type="application/json")
            assert answer.status_code == 200, answer
            client.cookies.clear()
        print((time.process_time() - began) / int(line) * 1e6, flush=True)


if __name__ == "__main__":
    django.setup()
    serve(sys.argv[1])
