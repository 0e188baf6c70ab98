"""The world of a run of the chaos harness: its environment, its sandbox, and who was killed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command

from convai_sandbox.process import Sandbox

DAY = 24 * 3600.0  # seconds that a token lives: none dies by itself while we look


@dataclass
class World:
    """One run's environment, directory and sandbox; and all kills so far."""

    environment: dict[str, str]
    directory: Path
    sandbox: Sandbox
    random: random.Random
    killed: int = 0

    @property
    def tickets(self) -> Path:
        """Where processes look whether they are to kill themselves."""
        return Path(self.environment["CHAOS_TICKETS"])

    def hand_out(self, moment: str, number: int) -> None:
        """Let as many processes kill themselves when they come to the moment."""
        for _ in range(number):
            (self.tickets / f"{moment}-{self.random.getrandbits(64):x}").touch()

    def take_back(self) -> None:
        """Let no further process kill itself."""
        for path in self.tickets.glob("*"):
            if not path.name.startswith("killed-"):
                path.unlink(missing_ok=True)

    def killed_themselves(self) -> list[str]:
        """Return the moment of each such kill."""
        return [path.read_text() for path in self.tickets.glob("killed-*")]

    def kills(self) -> int:
        """Return how many processes were killed by either way."""
        return self.killed + len(self.killed_themselves())

    def reset(self) -> None:
        """Empty sandbox, database and counts for the next scenario."""
        self.sandbox.reset()
        call_command("flush", interactive=False, verbosity=0)
        for path in self.tickets.glob("*"):
            path.unlink()
        self.killed = 0
