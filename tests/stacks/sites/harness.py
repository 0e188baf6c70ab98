"""What the tests' sites have beside their login stack; copied into each as ``lms/harness.py``."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from django.contrib.auth import authenticate, get_user_model, login
from django.core.management import call_command
from django.db import connection, transaction
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt, ensure_csrf_cookie
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response


def prepare() -> None:
    """Make the tables, two learners, and one of the staff."""
    call_command("migrate", verbosity=0, run_syncdb=True)
    users, password = get_user_model().objects, os.environ["PASSWORD_OF_ALL"]
    for name in ("learner", "second"):
        users.create_user(name, f"{name}@example.org", password)
    users.create_superuser("staff", "staff@example.org", password)


def is_ours(frame: FrameType | None) -> bool:
    """Tell whether the app's code runs below, beside its middleware, which is below every view."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(APP) and frame.f_code.co_name not in ("__call__", "_call"):
            return True
        frame = frame.f_back
    return False


def count_queries(get_response: Any) -> Any:
    """Return a middleware that tells in a header how many queries the app's code made."""

    def middleware(request: Any) -> Any:
        count = 0

        def execute(run: Any, *details: Any) -> Any:
            nonlocal count
            count += is_ours(sys._getframe())
            return run(*details)

        with connection.execute_wrapper(execute):
            response = get_response(request)
        response["X-Queries-Of-The-App"] = str(count)
        return response

    return middleware


@ensure_csrf_cookie
def log_in_to_browser(request: Any) -> HttpResponse:
    """Answer a page of HTML; log in whoever posts name and password."""
    if request.method == "POST":
        user = authenticate(
            request, **{name: request.POST[name] for name in ("username", "password")}
        )
        login(request, user)
    return HttpResponse("<p>Hello</p>")


@transaction.non_atomic_requests
@csrf_exempt
def run(request: Any) -> HttpResponse:
    """Run the code in the request's body; answer what it printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        exec(request.body, {})
    return HttpResponse(out.getvalue())


@api_view(["GET"])
@permission_classes([IsAuthenticated])
def whoami(request: Any) -> Response:
    """Tell a learner's client who it is: a request that is no login."""
    return Response({"username": request.user.get_username()})


def app_folder() -> Path:
    """Return where the app is."""
    import convai_tokens

    return Path(convai_tokens.__file__).parent


APP = app_folder()
