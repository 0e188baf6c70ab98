"""The app with moments at which its process kills itself: after Convai's answer, before a commit.

No line of the app changes: functions are wrapped when a process starts. ``CHAOS_TICKETS`` names a
directory of files; the process that takes one (by deleting it) at the moment that the file's name
begins with ends by SIGKILL there, and leaves a file ``killed-<pid>``. So the harness says how many
such kills there are, and can count them.

    python -m benchmarks.chaos.hooks convai_sweep --watch       a command of manage.py
    gunicorn "benchmarks.chaos.hooks:application()"             the site
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Convai has answered and nothing of it is committed ...
REVOKED = "revoked"  # ... to a revoke call, with success
FAILED = "failed"  # ... to a revoke call, with anything else
GENERATED = "generated"  # ... to a generate call, with a token
COMMITTED = "committed"  # the token is committed, and the login not yet answered

PR_SET_PDEATHSIG = 1  # see prctl(2)


def end_if_told(moment: str) -> None:
    """Kill this process if there is a ticket for the moment."""
    tickets = Path(os.environ["CHAOS_TICKETS"])
    for ticket in tickets.glob(f"{moment}-*"):
        try:
            ticket.unlink()
        except FileNotFoundError:  # another process was quicker
            continue
        (tickets / f"killed-{os.getpid()}").write_text(moment)
        os.kill(os.getpid(), signal.SIGKILL)


def hook() -> None:
    """Wrap the functions that commit what Convai has answered."""
    from convai_tokens.lifecycle import revocation, storing

    # Whatever ends the harness ends this process too. A gunicorn worker sees to that by itself.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    faulthandler.register(signal.SIGUSR1)  # to see where a process stands that doesn't stop

    def before(moment: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            end_if_told(moment)
            return inner(*args, **kwargs)

        return wrapped

    def after(moment: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = inner(*args, **kwargs)
            end_if_told(moment)
            return result

        return wrapped

    stored = before(GENERATED, storing.store)
    storing.store = after(COMMITTED, stored)
    revocation._record_dead = before(REVOKED, revocation._record_dead)
    revocation._record_attempt = before(FAILED, revocation._record_attempt)


def application() -> Any:
    """Return the site's WSGI application, hooked: a factory, as gunicorn takes it."""
    from lms_site.wsgi import application as site

    hook()
    return site


def main() -> None:
    """Run a command of ``manage.py``, hooked."""
    import django
    from django.core.management import execute_from_command_line

    django.setup()
    hook()
    execute_from_command_line(["manage.py", *sys.argv[1:]])


if __name__ == "__main__":
    main()
