"""The learner's own sessions: which are open, and how to end one or all others."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.contrib.auth.base_user import AbstractBaseUser
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from ..lifecycle.own_sessions import (
    OwnSession,
    end_other_sessions,
    end_own_session,
    own_sessions,
)
from ..logins.token_requests import check_not_impersonated
from .base import LearnerSessionView


class SessionsView(LearnerSessionView):
    """The learner's own sessions: ``GET`` lists the open ones, ``DELETE ?others`` ends the others.

    Ending one revokes its tokens. The login behind it goes on, and gets no token before the next.
    """

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let nobody who acts as the learner see or end the learner's sessions."""
        super().initial(request, *args, **kwargs)
        check_not_impersonated(request, self.learner, self.credential)

    def get_throttles(self) -> list[BaseThrottle]:
        """Never throttle an end."""
        return [] if self.request.method == "DELETE" else super().get_throttles()

    @property
    def learner(self) -> AbstractBaseUser:
        """The user of the request."""
        return cast(AbstractBaseUser, self.request.user)

    def get(self, request: Request) -> Response:
        sessions = own_sessions(self.learner, self.credential.session_ids)
        return Response({"sessions": [told_session(it) for it in sessions]})

    def delete(self, request: Request) -> Response:
        if "others" not in request.query_params:
            raise exceptions.ParseError("Say which: ?others, or a session's own address.")
        end_other_sessions(self.learner, self.credential.session_ids)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SessionView(SessionsView):
    """``DELETE`` ends one of the learner's own sessions; another learner's is not found."""

    http_method_names = ["delete", "options"]

    def delete(self, request: Request, session_id: uuid.UUID) -> Response:  # type: ignore[override]
        if not end_own_session(self.learner, session_id):
            raise exceptions.NotFound("No open session of yours has this id.")
        return Response(status=status.HTTP_204_NO_CONTENT)


def told_session(own: OwnSession) -> dict[str, Any]:
    """Return what a learner is told of a session."""
    session = own.session
    return {
        "id": str(session.pk),
        "device": session.device,
        "stack": session.stack,
        "started": session.started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "current": own.is_current,
        "liveTokens": own.live_tokens,
    }
