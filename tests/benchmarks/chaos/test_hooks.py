"""The moments at which a process of the chaos harness kills itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chaos.hooks import COMMITTED, FAILED, GENERATED, REVOKED
from lms_site.demo.processes import BASE_DIR

# In a process of its own, for it ends by SIGKILL. What commits an answer is put in its place.
SCRIPT = """
import sys
import django
django.setup()
from convai_tokens.lifecycle import issuing, storing, revocation
places = {
    "generated": (storing, "store"),
    "committed": (storing, "store"),
    "revoked": (revocation, "_record_dead"),
    "failed": (revocation, "_record_attempt"),
}
module, name = places[sys.argv[1]]
assert callable(getattr(module, name))
setattr(module, name, lambda: print("the commit", flush=True))
from benchmarks.chaos.hooks import hook
hook()
getattr(module, name)()
"""


def play(moment: str, tickets: Path) -> subprocess.CompletedProcess[str]:
    """Let a process come to the moment."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "CHAOS_TICKETS": str(tickets),
    }
    command = [sys.executable, "-c", SCRIPT, moment]
    return subprocess.run(
        command, cwd=BASE_DIR, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("moment", "said"),
    [(GENERATED, ""), (COMMITTED, "the commit\n"), (REVOKED, ""), (FAILED, "")],
)
def test_a_process_with_a_ticket_dies_at_its_moment(moment: str, said: str, tmp_path: Path) -> None:
    (tmp_path / f"{moment}-1").touch()

    done = play(moment, tmp_path)

    assert (done.returncode, done.stdout) == (-signal.SIGKILL, said), done.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == [moment]


def test_a_process_without_a_ticket_goes_on(tmp_path: Path) -> None:
    (tmp_path / f"{FAILED}-1").touch()

    done = play(REVOKED, tmp_path)

    assert (done.returncode, done.stdout) == (0, "the commit\n"), done.stderr
