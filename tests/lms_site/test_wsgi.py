"""The site as gunicorn serves it."""

from __future__ import annotations

from tests.lms_site.environments import run
from tests.lms_site.lms import LMS, bearer, wait_until_dead


def test_the_admins_style_sheet_is_served_without_collectstatic(lms: LMS) -> None:
    response = lms.get("/static/admin/css/base.css")

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/css")


def test_the_log_tells_of_the_calls_and_holds_no_token_and_no_key(lms: LMS) -> None:
    header, token = bearer(lms)
    lms.post("/api/auth/logout/", headers=header)
    wait_until_dead(lms, token)

    log = lms.site.log.read_text()

    assert "POST /api/auth/logout/" in log
    for value in (
        token,
        header["Authorization"].split()[1],
        lms.site.environment["CONVAI_API_KEY"],
    ):
        assert value not in log


def test_the_wsgi_application_answers_by_the_sites_own_settings() -> None:
    script = """
from lms_site.wsgi import application
from django.test import RequestFactory
from django.conf import settings
answers = []
environ = RequestFactory().get("/healthz").environ
body = b"".join(application(environ, lambda status, headers: answers.append(status)))
print(settings.SETTINGS_MODULE, answers, body.decode())
"""

    done = run("-c", script, DJANGO_DEBUG="1", DJANGO_ALLOWED_HOSTS="testserver")

    assert done.stdout == 'lms_site.settings [\'200 OK\'] {"status": "ok"}\n', done.stderr
