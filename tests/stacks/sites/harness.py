"""What the tests' sites have beside their login stack; copied into each as ``lms/harness.py``."""

import sys
from pathlib import Path

from django.db import connection
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response


def is_ours(frame):
    """Tell whether the app's code runs below, beside its middleware, which is below every view."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(APP) and frame.f_code.co_name not in ("__call__", "_call"):
            return True
        frame = frame.f_back
    return False


def count_queries(get_response):
    """Return a middleware that tells in a header how many queries the app's code made."""

    def middleware(request):
        count = 0

        def execute(run, sql, params, many, context):
            nonlocal count
            count += is_ours(sys._getframe())
            return run(sql, params, many, context)

        with connection.execute_wrapper(execute):
            response = get_response(request)
        response["X-Queries-Of-The-App"] = str(count)
        return response

    return middleware


@api_view(["GET"])
@permission_classes([IsAuthenticated])
def whoami(request):
    """Tell a learner's client who it is: a request that is no login."""
    return Response({"username": request.user.get_username()})


def app_folder():
    """Return where the app is."""
    import convai_tokens

    return Path(convai_tokens.__file__).parent


APP = app_folder()
