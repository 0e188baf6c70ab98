"""The site as an ASGI server serves it."""

from __future__ import annotations

from tests.lms_site.environments import run

SCRIPT = """
import asyncio
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from lms_site.asgi import application

async def ask():
    scope = {"type": "http", "method": "GET", "path": "/healthz", "query_string": b""}
    scope["headers"] = [(b"host", b"testserver")]
    site = ApplicationCommunicator(application, scope)
    await site.send_input({"type": "http.request", "body": b""})
    answer, body = await site.receive_output(), await site.receive_output()
    print(settings.SETTINGS_MODULE, answer["status"], body["body"].decode())

asyncio.run(ask())
"""


def test_the_asgi_application_answers_by_the_sites_own_settings() -> None:
    done = run("-c", SCRIPT, DJANGO_DEBUG="1", DJANGO_ALLOWED_HOSTS="testserver")

    assert done.stdout == 'lms_site.settings 200 {"status": "ok"}\n', done.stderr
