"""Promises 3, 4, 5 and 7 in every state that a random history reaches.

Hypothesis plays logins, token requests, logouts, sweeps, crashes, outages and the passing of time
against the sandbox, whose ledger is the judge of what is alive.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import time_machine
from django.contrib.auth import get_user_model
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from convai_sandbox.switches import ON_THE_WAY
from convai_tokens.convai.client import forget_client
from convai_tokens.exceptions import ConvaiTokensError
from convai_tokens.lifecycle import ending, issuing, revocation, storing
from convai_tokens.lifecycle.sealing import fingerprint
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import (
    ConvaiToken,
    EndReason,
    LearnerSession,
    TokenEvent,
    TokenStatus,
)
from convai_tokens.models.moments import utc_now
from convai_tokens.secret import Secret
from tests.builders import open_session

FORWARD = {
    TokenStatus.GENERATING: {
        TokenStatus.ACTIVE,
        TokenStatus.REVOKING,
        TokenStatus.FAILED,
        TokenStatus.UNKNOWN,
    },
    TokenStatus.ACTIVE: {TokenStatus.EXPIRED, TokenStatus.REVOKING, TokenStatus.GONE},
    TokenStatus.EXPIRED: {
        TokenStatus.REVOKING,
        TokenStatus.ACTIVE,
    },  # extending revives what only we thought dead
    TokenStatus.REVOKING: {
        TokenStatus.REVOKED,
        TokenStatus.GONE,
        TokenStatus.LAPSED,
        TokenStatus.FAILED,
        TokenStatus.UNKNOWN,
    },
    TokenStatus.UNKNOWN: {TokenStatus.REVOKING},
}
ENDED = (TokenStatus.REVOKED, TokenStatus.GONE, TokenStatus.LAPSED)
OUTAGES: list[dict[str, Any]] = [
    {"faults": {"503": 1}},
    {"faults": {"429": 1}},
    {"drop": True},
    {"reset": True},
    {"malformed": "not_json"},
    {"same_token": True},
    *({"in_front": name} for name in ("maintenance", "error_message", "queued")),
    *({"on_the_way": name} for name in ON_THE_WAY),
    {"faults": {"403": 1}, "error_text": "Forbidden"},  # a firewall
    {"faults": {"404": 1}, "error_text": "Not Found"},  # a wrong path
]
CAP = 2
pick = st.integers(min_value=0, max_value=2)


class Killed(BaseException):
    """The process dies here, as by SIGKILL: nothing after it runs."""


class History(RuleBasedStateMachine):
    sandbox: Any

    def __init__(self) -> None:
        super().__init__()
        self.sandbox.reset()
        forget_client()
        TokenEvent.objects.all().purge()
        LearnerSession.objects.all().delete()
        self.user = get_user_model().objects.get(username="learner")
        self.clock = time_machine.travel(utc_now(), tick=True)
        self.now = self.clock.start()
        self.statuses: dict[int, str] = {}
        self.logins = 0

    def teardown(self) -> None:
        try:
            self.everything_owed_is_revoked_in_the_end()
        finally:
            self.clock.stop()

    def session(self, number: int) -> LearnerSession | None:
        sessions = list(LearnerSession.objects.order_by("started_at", "pk"))
        return sessions[number % len(sessions)] if sessions else None

    def unless_refused(self, step: Callable[[], Any]) -> None:
        with suppress(ConvaiTokensError, Killed):
            step()

    @precondition(lambda self: self.logins < 4)
    @rule()
    def log_in(self) -> None:
        self.logins += 1
        session = open_session(self.user, f"login {self.logins}")
        self.unless_refused(lambda: issuing.generate(session))

    @rule(number=pick)
    def generate(self, number: int) -> None:
        if session := self.session(number):
            self.unless_refused(lambda: issuing.generate(session))

    @rule(number=pick)
    def extend(self, number: int) -> None:
        if session := self.session(number):
            self.unless_refused(lambda: issuing.extend(session))

    @rule(number=pick)
    def end(self, number: int) -> None:
        if session := self.session(number):
            ending.end_session(session.pk, EndReason.LOGOUT)

    @rule(number=pick)
    def revoke(self, number: int) -> None:
        if session := self.session(number):
            tokens = ConvaiToken.objects.filter(session=session)
            ending.revoke_tokens(tokens, detail="by the client")

    @rule(number=pick)
    def end_while_generating(self, number: int) -> None:
        session = self.session(number)
        if session is None:
            return
        store = storing.store

        def late(*args: Any) -> Any:
            ending.end_session(session.pk, EndReason.LOGOUT)
            return store(*args)

        with patch.object(storing, "store", late):
            self.unless_refused(lambda: issuing.generate(session))

    @rule(number=pick)
    def die_while_generating(self, number: int) -> None:
        if session := self.session(number):
            with patch.object(storing, "store", side_effect=Killed):
                self.unless_refused(lambda: issuing.generate(session))

    @rule()
    def die_while_revoking(self) -> None:
        with patch.object(revocation, "_record_dead", side_effect=Killed):
            self.unless_refused(lambda: sweep(workers=1))

    @rule()
    def sweep_once(self) -> None:
        sweep(workers=1)

    @rule(day=st.sampled_from(OUTAGES))
    def convai_goes_down(self, day: dict[str, Any]) -> None:
        self.sandbox.call("DELETE", "/switches")
        self.sandbox.set(**day)

    @rule()
    def convai_comes_back(self) -> None:
        self.sandbox.call("DELETE", "/switches")
        forget_client()  # as another process would, or this one after the pause

    @rule(minutes=st.sampled_from([1, 5, 61, 600]))
    def time_goes_by(self, minutes: int) -> None:
        self.now.shift(timedelta(minutes=minutes))

    @invariant()
    def a_status_only_moves_forward(self) -> None:
        for token_id, status in ConvaiToken.objects.values_list("pk", "status"):
            before = self.statuses.get(token_id, TokenStatus.GENERATING)
            # A rule may take several steps; what is dead stays dead.
            if before != status:
                assert status in reachable(before), f"{before} -> {status}"
            self.statuses[token_id] = status

    @invariant()
    def what_is_dead_here_is_dead_there(self) -> None:
        alive = {fingerprint(Secret(value)) for value in self.sandbox.live()}
        dead = ConvaiToken.objects.filter(status__in=[TokenStatus.REVOKED, TokenStatus.GONE])
        # What has expired by our clock counts as gone once it was rejected; the sandbox's stands.
        dead = dead.exclude(status=TokenStatus.GONE, expires_at__lte=utc_now())
        assert not alive & set(dead.values_list("fingerprint", flat=True))

    @invariant()
    def what_is_alive_there_is_known_or_unknown_here(self) -> None:
        alive = {fingerprint(Secret(value)) for value in self.sandbox.live()}
        known = set(ConvaiToken.objects.values_list("fingerprint", flat=True))
        without_value = ConvaiToken.objects.filter(
            fingerprint="",
            status__in=[TokenStatus.UNKNOWN, TokenStatus.GENERATING, TokenStatus.REVOKING],
        )
        assert len(alive - known) <= without_value.count()

    @invariant()
    def a_value_is_sealed_while_it_may_live_and_wiped_when_it_is_dead(self) -> None:
        for token in ConvaiToken.objects.all():
            if token.status in (
                *ENDED,
                TokenStatus.FAILED,
                TokenStatus.UNKNOWN,
                TokenStatus.GENERATING,
            ):
                assert token.sealed == "", token.status
            if token.status == TokenStatus.ACTIVE:
                assert token.sealed

    @invariant()
    def an_ended_session_has_no_live_token(self) -> None:
        live = ConvaiToken.objects.filter(status__in=[TokenStatus.ACTIVE, TokenStatus.GENERATING])
        assert not live.filter(session__ended_at__isnull=False).exists()

    @invariant()
    def the_cap_holds(self) -> None:
        for session in LearnerSession.objects.all():
            live = session.tokens.filter(status__in=[TokenStatus.ACTIVE, TokenStatus.GENERATING])
            assert live.count() <= CAP

    @invariant()
    def every_step_left_one_event(self) -> None:
        for token in ConvaiToken.objects.prefetch_related("events"):
            events = token.events.all()
            steps = Counter(event.kind for event in events)
            ends = [end for end in ("revoked", "gone", "lapsed", "failed") if steps[end]]
            assert ends == ([token.status] if token.status in (*ENDED, TokenStatus.FAILED) else [])
            assert sum(steps[end] for end in ends) <= 1
            # What came after the end is owed from then on, and never was its learner's.
            for_nobody = sum(event.detail == "Generated for nobody" for event in events)
            assert steps["generated"] + for_nobody == (token.fingerprint != "")
            assert steps["extended"] == token.extend_count
            assert (steps["owed"] > 0) == (token.owed_since is not None)
            assert steps["owed"] - for_nobody <= 1
            assert steps["unknown"] <= 1
            assert steps["unknown"] or token.status != TokenStatus.UNKNOWN
            assert steps["expired"] <= 1 + token.extend_count
            assert steps["expired"] or token.status != TokenStatus.EXPIRED
        for session in LearnerSession.objects.all():
            steps = Counter(session.events.values_list("kind", flat=True))
            assert steps["session_started"] == 1
            # One that is seen again goes on; an end for another reason is for good.
            details = session.events.filter(kind="session_ended").values_list("detail", flat=True)
            unseen = sum(detail == EndReason.UNSEEN for detail in details)
            assert len(details) - unseen == session.has_ended
            is_unseen = session.end_reason == EndReason.UNSEEN
            assert session.has_ended or unseen - steps["session_resumed"] == is_unseen
            assert (session.ended_at is not None) == (session.has_ended or is_unseen)

    def everything_owed_is_revoked_in_the_end(self) -> None:
        self.convai_comes_back()
        for session in LearnerSession.objects.all():
            ending.end_session(session.pk, EndReason.LOGOUT)
        for _ in range(4):
            self.now.shift(timedelta(minutes=61))
            sweep(workers=1)
        assert not ConvaiToken.objects.owed().exists()
        alive = {fingerprint(Secret(value)) for value in self.sandbox.live()}
        known = ConvaiToken.objects.exclude(status=TokenStatus.LAPSED)
        # Wiped after the horizon, or gone: by then Convai's own clock has ended it too.
        by_time = known.filter(status__in=[TokenStatus.EXPIRED, TokenStatus.GONE])
        expired = set(
            by_time.filter(expires_at__lte=utc_now()).values_list("fingerprint", flat=True)
        )
        assert not (alive & set(known.values_list("fingerprint", flat=True))) - expired


def reachable(status: str) -> set[str]:
    """Return the statuses that can follow, in any number of steps."""
    found: set[str] = set()
    todo = [status]
    while todo:
        for after in FORWARD.get(TokenStatus(todo.pop()), set()) - found:
            found.add(after)
            todo.append(after)
    return found


def test_promise_4_holds_in_every_state_that_a_random_history_reaches(
    convai: Any, convai_settings: Callable[..., None], learner: Any
) -> None:
    convai_settings(MAX_LIVE_TOKENS=CAP, READ_TIMEOUT=5)

    class HistoryAtConvai(History):
        sandbox = convai

    run_state_machine_as_test(
        HistoryAtConvai,
        settings=settings(
            max_examples=int(os.environ.get("STATE_MACHINE_EXAMPLES", "30")),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
