"""What the demo shows, and how it keeps count of what went otherwise than told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from convai_sandbox.process import SandboxError

WIDTH = 100


class Deviation(Exception):
    """A step went otherwise than told, so that the rest of its chapter makes no sense."""


def shortened(value: str) -> str:
    """Return enough of a token to tell it from another one, and too little to use it.

    JWTs all begin alike, so that the beginning alone would not do.
    """
    end = value[-4:] if len(value) >= 32 else ""
    return f"{value[:6]}…{end}"


class Screen:
    """Prints the story in numbered chapters, a mark before each step."""

    def __init__(self) -> None:
        self.deviations = 0
        self._chapters = 0
        # A terminal that has no tick mark gets a question mark, and not a traceback.
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace", line_buffering=True)

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        """Open a chapter; what keeps it from going on is told, and counted as a deviation."""
        self._chapters += 1
        print(f"\n{self._chapters}. {title}")
        try:
            yield
        except Deviation as deviation:
            self.wrong(str(deviation))
        except requests.RequestException as error:
            self.wrong(f"No answer came: {type(error).__name__}.")
        except SandboxError as error:
            self.wrong(f"The sandbox failed: {error}.")

    def call(
        self, who: str, what: str, status: int, expected: int, seconds: float, note: str = ""
    ) -> None:
        """Show one HTTP call; ``what`` is its method and path."""
        right = status == expected
        self.timed(who, what, seconds, note, status=status, right=right)
        if not right:
            self.aside(f"Expected {expected}, got {status}.")

    def timed(
        self,
        who: str,
        what: str,
        seconds: float,
        note: str,
        *,
        status: int | str = "",
        right: bool = True,
    ) -> None:
        """Show one step that took its time, in columns."""
        self.step(right, f"{who:<15}{what:<42}{status:<3}{seconds * 1000:>6.0f} ms  {note}")

    def step(self, right: bool, text: str) -> None:
        """Show one step; count it if it went wrong."""
        if not right:
            self.deviations += 1
        print(f"   {'✓' if right else '✗'} {text}".rstrip())

    def check(self, right: bool, told: str, otherwise: str) -> None:
        """Show what should hold, or ``otherwise`` what holds in its place."""
        self.step(right, told if right else f"Not so: {told}")
        if not right:
            self.aside(otherwise)

    def wrong(self, text: str) -> None:
        """Show and count what went wrong outside of a step."""
        self.step(False, text)

    def say(self, text: str = "") -> None:
        """Print a line as it is."""
        print(text)

    def aside(self, text: str) -> None:
        """Tell what happens between the calls, or what is left out."""
        print(f"     {text}")
