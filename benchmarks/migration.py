"""What the migrations keep waiting: ``python -m benchmarks.migration --database URL``.

Installs the app on a site that has a million users, while other connections write to their rows as
logins do. The exit status is 1 when one of those writes waited for longer than ``LIMIT``.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time

import django

from .databases import Database
from .environment import environment_for

LIMIT = 1.0  # seconds that a login may wait for the migration
APP = "convai_tokens"
BATCH = 10_000
BEFORE = 5.0  # seconds of writes to compare with


class Writers:
    """Threads that write to random users' rows, and note how long each write took."""

    def __init__(self, count: int, users: int) -> None:
        self._users = users
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._write) for _ in range(count)]
        self.longest = 0.0  # seconds, since it was last set to 0
        self.writes = 0

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        from django.contrib.auth import get_user_model
        from django.db import connection
        from django.utils import timezone

        users = get_user_model()._default_manager
        try:
            while not self._stopped.is_set():
                # By name: the keys need not be without gaps.
                user = users.filter(username=f"user-{random.randrange(self._users):07d}")
                began = time.monotonic()
                assert user.update(last_login=timezone.now()) == 1
                self.longest = max(self.longest, time.monotonic() - began)
                self.writes += 1
        finally:
            connection.close()


def make_users(count: int) -> None:
    """Migrate all apps but ours, and make that many users."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    for app in sorted(MigrationLoader(connection).migrated_apps - {APP}):
        call_command("migrate", app, verbosity=0)
    users = get_user_model()
    for first in range(0, count, BATCH):
        names = (f"user-{number:07d}" for number in range(first, min(first + BATCH, count)))
        users._default_manager.bulk_create([users(username=name) for name in names])


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.migration", description=__doc__)
    parser.add_argument("--database", required=True, metavar="URL")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--writers", type=int, default=4)
    options = parser.parse_args()
    with Database(options.database) as database:
        os.environ |= environment_for(database.url)
        django.setup()
        from django.core.management import call_command
        from django.db import connection

        make_users(options.users)
        writers = Writers(options.writers, options.users)
        writers.start()
        try:
            time.sleep(BEFORE)
            before, writers.longest = writers.longest, 0.0
            began = time.monotonic()
            call_command("migrate", APP, verbosity=0)
            took = time.monotonic() - began
        finally:
            writers.stop()
        connection.close()
        print(
            f"{database.version()}, {options.users} users, {writers.writes} writes by "
            f"{options.writers} connections: the migration took {took * 1000:.0f} ms; the longest "
            f"write took {writers.longest * 1000:.0f} ms meanwhile, {before * 1000:.0f} ms in the "
            f"{BEFORE:.0f} s before."
        )
    return int(writers.longest > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
