"""What the client's three verbs return, and how a process comes to its client."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convai_tokens.convai import client as client_module
from convai_tokens.convai.client import ConvaiClient, forget_client, get_client
from convai_tokens.secret import Hidden, Secret
from tests.convai_tokens.convai.servers import (
    ENDS,
    GENERATED,
    LONG,
    TOKEN,
    ConvaiSettings,
    Serve,
    always,
    answer,
    client_of,
)

REPO = Path(client_module.__file__).parents[2]


def test_generate_returns_token_and_end_and_shows_neither_in_a_repr(serve: Serve) -> None:
    server = serve(always(answer(200, GENERATED)))

    generated = client_of(server.url).generate()

    assert generated.value == Secret(TOKEN)
    assert generated.expires_at == ENDS
    assert TOKEN not in repr(generated)


def test_extend_returns_the_new_end(serve: Serve) -> None:
    server = serve(always(answer(200, {"expirationTime": ENDS.isoformat()})))

    assert client_of(server.url).extend(Secret(TOKEN)).expires_at == ENDS


def test_revoke_returns_when_convai_has_confirmed(serve: Serve) -> None:
    server = serve(always(answer(204)))

    client_of(server.url).revoke(Secret(TOKEN))

    assert len(server.requests) == 1


def test_the_client_is_shared_while_the_settings_stay(convai_settings: ConvaiSettings) -> None:
    assert get_client() is get_client()


@pytest.mark.parametrize(
    "change",
    [
        {"BASE_URL": "http://127.0.0.1:10"},
        {"CONNECT_TIMEOUT": 1.25},
        {"READ_TIMEOUT": 1.25},
        {"MAX_CONCURRENT": 3},
    ],
)
def test_changed_settings_make_a_new_client(
    change: dict[str, Any], convai_settings: ConvaiSettings
) -> None:
    before = get_client()

    convai_settings(**change)

    assert get_client() is not before
    assert get_client() is get_client()


def test_the_shared_client_calls_the_base_url_of_the_settings(
    serve: Serve, convai_settings: ConvaiSettings
) -> None:
    server = serve(always(answer(200, GENERATED)))
    convai_settings(BASE_URL=server.url)

    assert get_client().generate().value == Secret(TOKEN)
    assert len(server.requests) == 1


def test_a_client_can_be_made_beside_the_shared_one(
    serve: Serve, convai_settings: ConvaiSettings
) -> None:
    server = serve(always(answer(200, GENERATED)))
    convai_settings(BASE_URL=server.url)

    own = ConvaiClient.from_settings()

    assert own is not get_client()
    assert own.generate().value == Secret(TOKEN)


def test_a_client_that_another_thread_makes_meanwhile_is_shared(
    monkeypatch: pytest.MonkeyPatch, convai_settings: ConvaiSettings
) -> None:
    others = ConvaiClient.from_settings()

    class MadeMeanwhile:
        def __enter__(self) -> None:
            client_module._current = client_module.Current(
                Hidden({}), client_module._parameters(), others
            )

        def __exit__(self, *args: object) -> None:
            pass

    monkeypatch.setattr(client_module, "_lock", MadeMeanwhile())

    assert get_client() is others


FORKING = """
import os, signal, sys
import django
from django.conf import settings

settings.configure(
    CONVAI_TOKENS={"API_KEY": "a-key", "BASE_URL": sys.argv[1]},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "convai_tokens"],
)
django.setup()
from convai_tokens.convai import client
from convai_tokens.secret import Hidden, Secret

parents = client.get_client()
parents.revoke(Secret("from the parent"))
with client._lock:  # as another thread of the parent may hold it
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        own = client.get_client()
        own.revoke(Secret("from the child"))
        os._exit(0 if own is not parents else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert client.get_client() is parents
parents.revoke(Secret("from the parent again"))
"""


def test_a_forked_child_has_a_client_and_connections_of_its_own(serve: Serve) -> None:
    server = serve(always(answer(200)))

    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, server.url],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )

    assert (finished.returncode, finished.stderr) == (0, "")
    tokens = [
        json.loads(each.partition(b"\r\n\r\n")[2])["apiAuthToken"] for each in server.requests
    ]
    assert tokens == ["from the parent", "from the child", "from the parent again"]
    assert server.connections == 2


def test_the_client_of_the_suite_is_not_shared() -> None:
    first = get_client()
    assert get_client() is first
    forget_client()
    assert get_client() is not first


def test_there_is_one_client_as_long_as_its_settings_stay_the_same(settings: Any) -> None:
    """Its breaker must remember, also where somebody forgot the settings altogether."""
    first = get_client()
    settings.CONVAI_TOKENS = {**settings.CONVAI_TOKENS, "MAX_LIVE_TOKENS": 3}
    assert get_client() is first
    settings.CONVAI_TOKENS["MAX_CONCURRENT"] = 3
    second = get_client()
    del settings.CONVAI_TOKENS
    third = get_client()

    assert len({first, second, third}) == 3
    assert get_client() is third
