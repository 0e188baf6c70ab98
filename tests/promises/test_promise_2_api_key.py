"""Promise 2: the API key never leaves the server; nor does a token value, but to its learner."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.views.debug import ExceptionReporter
from rest_framework.renderers import JSONRenderer

from convai_sandbox.process import Sandbox
from convai_tokens.convai.client import get_client
from convai_tokens.exceptions import ConvaiTokensError
from convai_tokens.models import ConvaiToken
from convai_tokens.secret import Secret

KEY = str(django_settings.CONVAI_TOKENS["API_KEY"])
PREFIX = "CANARYTOKEN"


@pytest.fixture
def all_logs() -> Any:
    """Everything that any logger says at DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    names = ["django.db.backends", "urllib3", "convai_tokens", "django.request"]
    levels = {name: logging.getLogger(name).level for name in names}
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def dump() -> str:
    """Return every value of every table, as the database has it."""
    text = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            text += [repr(row) for row in cursor.fetchall()]
    return "\n".join(text)


def test_promise_2_canaries_appear_nowhere_but_in_the_intended_response(
    convai: Any, learner: Any, client: Client, log_in: Any, all_logs: Any, settings: Any
) -> None:
    settings.DEBUG = True  # makes Django log each SQL statement with its parameters
    convai.set(token_prefix=PREFIX)
    login = log_in()
    token = login.json()["convai"]["apiAuthToken"]
    client.post("/convai/token/", {}, content_type="application/json")
    client.post("/convai/token/extend/", {}, content_type="application/json")
    alive = dump()
    administrator = get_user_model().objects.create_superuser("administrator")
    admin = Client()
    admin.force_login(administrator)
    pages = [
        admin.get(f"/admin/convai_tokens/{name}/").content.decode()
        for name in ("learnersession", "convaitoken", "tokenevent")
    ]
    row = ConvaiToken.objects.order_by("pk").first()
    assert row is not None
    pages.append(admin.get(f"/admin/convai_tokens/convaitoken/{row.pk}/change/").content.decode())
    exported = io.StringIO()
    call_command("dumpdata", stdout=exported)

    client.post("/logout/json/")

    assert token.startswith(PREFIX)
    assert convai.live() == []
    elsewhere = "\n".join(
        [alive, dump(), *pages, exported.getvalue(), all_logs.getvalue(), repr(row), str(row)]
    )
    assert "CREATE TABLE" in elsewhere or "INSERT INTO" in elsewhere  # the logs are at DEBUG
    assert KEY not in login.content.decode()
    assert KEY not in elsewhere
    assert PREFIX not in elsewhere


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Sandbox]:
    """A server that nobody may come to."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_promise_2_key_and_token_do_not_follow_a_redirect(
    convai: Any, elsewhere: Sandbox, learner: Any, client: Client, log_in: Any, status: int
) -> None:
    log_in()
    convai.set(redirect=status, redirect_to=elsewhere.url + "/user/revoke-token")

    client.post("/convai/token/", {}, content_type="application/json")
    client.post("/convai/token/extend/", {}, content_type="application/json")
    client.post("/logout/json/")

    assert elsewhere.summary()["calls"] == {}
    assert ConvaiToken.objects.owed().count() == 1


@pytest.mark.parametrize(
    "day",
    [
        {"hang": True},
        {"reset": True},
        {"faults": {"500": 1}},
        {"faults": {"401": 1}},
        {"malformed": "empty_token"},
    ],
    ids=str,
)
def test_promise_2_debug_pages_and_crash_reports_show_neither_key_nor_token(
    convai: Any, convai_settings: Callable[..., None], settings: Any, day: dict[str, Any]
) -> None:
    settings.DEBUG = True
    convai_settings(READ_TIMEOUT=0.3)
    value = f"{PREFIX}-0123456789abcdef0123456789"
    convai.set(echo_secrets=True, **day)

    for verb, arguments in (("generate", ()), ("extend", (value,)), ("revoke", (value,))):
        with pytest.raises(ConvaiTokensError) as caught:
            # Held as the app holds it, not as this test does.
            _call_with_hidden_argument(verb, arguments)
        request = RequestFactory().get("/")
        reporter = ExceptionReporter(request, caught.type, caught.value, caught.tb)
        frames = [
            f for f in reporter.get_traceback_data()["frames"] if "/tests/" not in f["filename"]
        ]
        shown = repr(frames) + repr(caught.value) + str(caught.value)
        assert KEY not in shown
        assert PREFIX not in shown
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


def _call_with_hidden_argument(verb: str, arguments: tuple[str, ...]) -> None:
    getattr(get_client(), verb)(*map(Secret, arguments))


def test_promise_2_a_view_that_crashes_after_the_login_block_shows_no_token(
    convai: Any, learner: Any, log_in: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = True
    convai.set(token_prefix=PREFIX)
    seen = []

    def broken(self: Any, data: Any, *args: Any, **kwargs: Any) -> bytes:
        seen.append(data)
        raise TypeError("can't render this")

    monkeypatch.setattr(JSONRenderer, "render", broken)

    page = log_in("/login/drf/", client=Client(raise_request_exception=False))

    assert page.status_code == 500
    assert seen[0]["convai"]["apiAuthToken"].startswith("stand-in-")
    assert "can&#x27;t render this" in page.content.decode()
    assert PREFIX not in page.content.decode()
    assert KEY not in page.content.decode()
