"""``python -m lms_site.demo [--once]``: start everything, play the story, then serve."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from convai_sandbox.process import Sandbox, SandboxError

from .processes import Child, ProcessError, Site
from .screen import WIDTH, Screen
from .story import Story
from .throwaway import ThrowAway, has_vendor_key

LOG_TAIL = 20  # lines


def main() -> int:
    """Return 0 when all went as told, 1 when not, 130 when interrupted before the end."""
    parser = argparse.ArgumentParser(prog="python -m lms_site.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the story")
    once = parser.parse_args().once
    # A shell starts background jobs with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)
    screen = Screen()
    try:
        with tempfile.TemporaryDirectory(prefix="convai-demo-") as directory:
            return _demo(screen, Path(directory), once=once)
    except KeyboardInterrupt:
        screen.say("\nInterrupted before the end.")
        return 130


def _leave(number: int, frame: object) -> NoReturn:
    """Turn a signal into an exit that stops the children on its way."""
    raise SystemExit(128 + number)


def _demo(screen: Screen, directory: Path, *, once: bool) -> int:
    with ExitStack() as running:
        try:
            sandbox = None
            if has_vendor_key(os.environ):
                screen.say("Convai: the vendor's API, with the key from the environment")
            else:
                sandbox = running.enter_context(Sandbox())
                screen.say(f"Convai: the sandbox at {sandbox.url}")
            site = ThrowAway.make(directory, sandbox.url if sandbox else None)
            server = Site(site.environment, site.log)
            running.enter_context(server)
        except (ProcessError, SandboxError) as error:
            screen.wrong(f"The demo can't start: {error}")
            _show_tail(screen, directory / "site.log")
            return 1
        screen.say(f"LMS:    gunicorn at {server.url}, with a throw-away SQLite database")
        Story(screen, server.url, site, sandbox).play()
        _tell_result(screen, site.log)
        if not once:
            sweep = ("manage.py", "convai_sweep", "--watch", "5")
            running.enter_context(
                Child(*sweep, environment=site.environment, log=directory / "sweep.log")
            )
            with _until_ctrl_c():
                _tell_addresses(screen, server.url, site, sandbox)
                _serve(screen, server)
    return 1 if screen.deviations else 0


def _tell_result(screen: Screen, log: Path) -> None:
    screen.say()
    if screen.deviations:
        screen.say(f"{screen.deviations} steps went otherwise than told; they are marked with ✗.")
        _show_tail(screen, log)
    else:
        screen.say("All of it went as told.")


def _show_tail(screen: Screen, log: Path) -> None:
    """Show the end of the site's log, if there is one."""
    if log.exists():
        screen.say(f"\nThe last {LOG_TAIL} lines of the site's log:")
        for line in log.read_text(errors="replace").splitlines()[-LOG_TAIL:]:
            screen.aside(line)


def _tell_addresses(screen: Screen, url: str, site: ThrowAway, sandbox: Sandbox | None) -> None:
    screen.say("\nAddresses")
    screen.say(f"   The audit          {url}/admin/convai_tokens/")
    screen.say(f"   The LMS's API      {url}/")
    if sandbox is not None:
        screen.say(f"   Convai's ledger    {sandbox.url}/ledger")
    screen.say(f"   The site's log     {site.log}")
    screen.say("\nLogins")
    for name, account in site.accounts.items():
        rights = {
            "auditor": "may view the audit",
            "administrator": "may also end sessions and revoke tokens",
        }.get(name, "gets a Convai token with each login")
        screen.say(f"   {name:<18} {account.password:<18} {rights}")
    learner = site.accounts["learner"]
    body = f'{{"username": "{learner.username}", "password": "{learner.password}"}}'
    screen.say("\nLog in yourself")
    screen.say(f"   curl -H 'Content-Type: application/json' {url}/api/auth/login/ \\")
    screen.say(f"     -d '{body}'")
    screen.say("\n" + " Ctrl-C ends it all ".center(WIDTH, "-"))


@contextmanager
def _until_ctrl_c() -> Iterator[None]:
    """Take a Ctrl-C as the wish to end, and not as a failure."""
    try:
        yield
    except KeyboardInterrupt:
        print()


def _serve(screen: Screen, server: Site) -> None:
    while server.running:
        time.sleep(0.5)
    screen.wrong("The site has ended by itself.")


if __name__ == "__main__":
    sys.exit(main())
