"""Promise 2 and 5: the leak drill of docs/leaks.md, played from end to end."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.test import Client

from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession

PAGE = Path(__file__).resolve().parents[2] / "docs" / "leaks.md"
OLD, NEW = "old-" + "o" * 40, "new-" + "n" * 40


def run(command: str) -> str:
    """Run a command as the page has it, without its question."""
    assert f"python manage.py {command}" in PAGE.read_text()
    out = io.StringIO()
    words = command.split()
    if words[0] == "convai_revoke":
        words.append("--yes")
    call_command(*words, stdout=out)
    return out.getvalue()


def test_promise_2_a_leaked_api_key_is_rolled_and_what_it_left_is_dead(
    convai: Any, convai_settings: Callable[..., None], learner: Any, client: Client, log_in: Any
) -> None:
    convai.set(accepted_keys=["leaked-key"])
    convai_settings(API_KEY="leaked-key")
    log_in()
    convai.set(accepted_keys=["rolled-key"])
    convai_settings(API_KEY="rolled-key")

    run("convai_revoke --all")

    assert convai.live() == []
    fresh = client.post("/convai/token/").json()["apiAuthToken"]
    assert convai.live() == [fresh]


def test_promise_5_leaked_encryption_keys_are_replaced_and_nothing_is_lost(
    convai: Any, convai_settings: Callable[..., None], learner: Any, client: Client, log_in: Any
) -> None:
    convai_settings(ENCRYPTION_KEYS=[OLD])
    log_in()
    stolen = ConvaiToken.objects.get().sealed

    run("convai_revoke --all")
    convai_settings(ENCRYPTION_KEYS=[OLD, NEW])
    client.post("/convai/token/")
    convai_settings(ENCRYPTION_KEYS=[NEW, OLD])
    client.post("/convai/token/")
    told = run("convai_keys reseal")
    convai_settings(ENCRYPTION_KEYS=[NEW])

    assert re.match(r"resealed=1 newest=1 shut=0\n", told)
    assert stolen not in ConvaiToken.objects.values_list("sealed", flat=True)
    # The session whose digest the old key made ends with the key, and its tokens with it.
    assert len(convai.live()) == 2
    assert sweep(workers=1).keyless == 1
    assert LearnerSession.objects.get().end_reason == EndReason.KEY_LOST
    assert convai.live() == []
    assert log_in(client=Client()).json()["convai"]["apiAuthToken"] in convai.live()
