"""An outage of 55 minutes, with kills all the way; then Convai recovers.

The learners log in while Convai is well. Then Convai is down for 12 rounds, 5 minutes from one to
the next: nine calls in ten are answered 503 or 429 (with Retry-After), hang, are reset, or get a
2xx of something in Convai's place; one gets through, so that there are answers that processes can
die of. In each round learners log out, sweep workers and the dispatchers of the web processes try
to revoke, and of both some are killed: at random moments, and by their own hand right after
Convai's answer, before they commit anything.

Time: a round takes some seconds. At its end, what nobody has a claim on is set back by 5 minutes
(``next_attempt_at``, ``owed_since``, ``claimed_until``), as if they had gone by. Claims of the
living are left as they are, for nobody shall take them over; so are those of the dead, whose
leases therefore have to end in real time. A breaker's pause, too, passes in real time alone.
The last round is not set back: Convai recovers at once after the last kills, which is the hardest.

After the recovery nobody is killed, and real seconds count. Tokens live for a day at the sandbox:
none dies by itself. Counted are the revoke calls that the sandbox carried out (``revoke_count`` in
the ledger, repetitions included); the calls that it answered with a fault changed nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

from django.db.models import Max, Q, QuerySet, Sum
from django.utils import timezone

from convai_tokens.lifecycle.revocation import lease
from convai_tokens.lifecycle.sealing import fingerprint
from convai_tokens.models import ConvaiToken, LearnerSession
from convai_tokens.secret import Secret

from .hooks import FAILED, REVOKED
from .learners import Learner, make_users
from .processes import Sweeper, Web, all_stopped, kill
from .report import Report
from .sizes import OutageSizes
from .world import World

NAME = "outage"
IN_ITS_PLACE = ["maintenance", "success_false", "error_message", "detail_200", "queued"]
MIX = {
    "503": 0.2,
    "429": 0.15,
    "hang": 0.15,
    "reset": 0.2,
    **dict.fromkeys(IN_ITS_PLACE, 0.04),
}
ROUND = timedelta(minutes=5)
CLIENTS = 8
RIPE = 2.0  # seconds of age before a sweep worker is killed, so that it has begun to work
RECOVERY = 60.0  # seconds
SWEEPERS, THREADS = 3, 4


def run(world: World, sizes: OutageSizes, report: Report) -> None:
    """Log in, take Convai away, kill, bring Convai back, and look."""
    names = make_users(sizes.sessions)
    sweepers: list[Sweeper] = []
    with (
        Web(world, workers=2, threads=4) as web,
        all_stopped(sweepers),
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        learners = [
            Learner(web.url, name, bearer=number % 2 == 0) for number, name in enumerate(names)
        ]
        blocks = list(pool.map(Learner.log_in, learners))
        got = sum(1 for block in blocks if block["apiAuthToken"])
        live = len(world.sandbox.live())
        report.note(NAME, f"{len(names)} logins, {got} with a token; {live} tokens are alive")
        if not len(names) == got == live:
            raise RuntimeError("Convai was well, and yet some logins got no token.")

        world.sandbox.set(faults=MIX, retry_after="seconds")
        sweepers += [Sweeper(world, THREADS, f"sweep-{n}").__enter__() for n in range(SWEEPERS)]
        longest = _outage(world, sizes, web, sweepers, learners, pool, report)

        world.sandbox.set(faults={}, retry_after="")
        recovery = _recover(world, report)
        claimed = _claims_left()
    _judge(world, sizes, report, recovery, claimed, longest)


def _outage(
    world: World,
    sizes: OutageSizes,
    web: Web,
    sweepers: list[Sweeper],
    learners: list[Learner],
    pool: ThreadPoolExecutor,
    report: Report,
) -> float:
    """Play all rounds; return the longest time in seconds that a claim had left."""
    longest = 0.0
    share = -(-len(learners) // sizes.rounds)
    for number in range(sizes.rounds):
        ends = time.monotonic() + sizes.round_seconds
        world.hand_out(REVOKED, 1)
        world.hand_out(FAILED, 1)
        leaving_now = learners[number * share : (number + 1) * share]
        moments = _moments(world, len(leaving_now), sizes.round_seconds * 0.7)
        leaving = [pool.submit(_leave, *pair) for pair in zip(moments, leaving_now, strict=True)]
        _kill_at(_moments(world, sizes.round_kills, sizes.round_seconds), world, web, sweepers)
        while time.monotonic() < ends:
            longest = max(longest, _longest_claim())
            _tend(world, sweepers)
            time.sleep(0.2)
        _all_left(leaving)
        last = number == sizes.rounds - 1
        moved = 0 if last else _set_back(ROUND)
        owed, attempts = _owed()
        report.note(
            NAME,
            f"minute {number * 5}: {world.kills()} kills so far, {owed} owed after "
            f"{attempts} attempts" + ("" if last else f", {moved} rows set back by 5 minutes"),
        )
    world.take_back()
    _tend(world, sweepers)
    return longest


def _moments(world: World, number: int, seconds: float) -> list[float]:
    """Return random moments of the coming ``seconds``, on the monotonic clock, in order."""
    now = time.monotonic()
    return sorted(now + world.random.uniform(0, seconds) for _ in range(number))


def _leave(moment: float, learner: Learner) -> bool:
    """Log out at the moment."""
    time.sleep(max(moment - time.monotonic(), 0))
    return learner.log_out(time.monotonic() + 60)


def _all_left(leaving: list[Future[bool]]) -> None:
    if not all(left.result(timeout=120) for left in leaving):
        raise RuntimeError("A logout was not confirmed within a minute.")


def _kill_at(moments: list[float], world: World, web: Web, sweepers: list[Sweeper]) -> None:
    """Kill one process, of the web or of the sweep, at each of the moments."""
    for moment in moments:
        while time.monotonic() < moment:
            _tend(world, sweepers)
            time.sleep(min(0.05, max(moment - time.monotonic(), 0)))
        kills: list[Callable[[], bool]] = [_killer(pid) for pid in web.workers()]
        kills += [sweeper.kill for sweeper in sweepers if sweeper.age > RIPE]
        if kills:
            world.killed += world.random.choice(kills)()


def _killer(pid: int) -> Callable[[], bool]:
    return lambda: kill(pid)


def _tend(world: World, sweepers: list[Sweeper]) -> None:
    """Start the sweep workers anew that have ended, as a supervisor does."""
    for position, sweeper in enumerate(sweepers):
        if not sweeper.running:
            sweeper.stop()
            sweepers[position] = Sweeper(world, THREADS, f"sweep-{position}").__enter__()


def _owed_rows() -> QuerySet[ConvaiToken]:
    return ConvaiToken.objects.owed()


def _owed() -> tuple[int, int]:
    """Return how many revocations are owed, and how often they were tried in all."""
    found = _owed_rows().aggregate(attempts=Sum("attempts"))
    return _owed_rows().count(), found["attempts"] or 0


def _longest_claim() -> float:
    """Return how many seconds the longest lease has left, 0 without any."""
    until = _owed_rows().aggregate(until=Max("claimed_until"))["until"]
    return max((until - timezone.now()).total_seconds(), 0.0) if until else 0.0


def _set_back(by: timedelta) -> int:
    """Let ``by`` go by for the owed revocations that nobody has a claim on; return how many.

    Row by row: one large UPDATE would lock what the workers want, and change what is measured.
    """
    moved = 0
    for token in _owed_rows().filter(next_attempt_at__isnull=False).order_by("pk"):
        assert token.next_attempt_at
        assert token.owed_since
        free = Q(claimed_until=None) | Q(claimed_until__lt=timezone.now())
        claimed = token.claimed_until
        moved += (
            _owed_rows()
            .filter(free, pk=token.pk, next_attempt_at=token.next_attempt_at)
            .update(
                next_attempt_at=token.next_attempt_at - by,
                owed_since=token.owed_since - by,
                claimed_until=claimed - by if claimed else None,
            )
        )
    return moved


def _recover(world: World, report: Report) -> tuple[float, float]:
    """Wait until nothing is alive, then until nothing is owed; return the seconds of both.

    Gives up, with what it has, a while after the 60 seconds.
    """
    started = time.monotonic()
    dead = cleared = 0.0
    while time.monotonic() - started < 4 * RECOVERY and not cleared:
        passed = time.monotonic() - started
        if not dead and not world.sandbox.summary()["live"]:
            dead = passed
        if not _owed()[0]:
            cleared = passed
        time.sleep(0.25)
    report.note(NAME, f"nothing is alive after {dead:.1f} s, nothing owed after {cleared:.1f} s")
    return dead or float("inf"), cleared or float("inf")


def _claims_left() -> int:
    return ConvaiToken.objects.filter(claimed_until__isnull=False).count()


def _judge(
    world: World,
    sizes: OutageSizes,
    report: Report,
    recovery: tuple[float, float],
    claimed: int,
    longest: float,
) -> None:
    ledger = world.sandbox.ledger()
    tokens, calls = ledger["tokens"], ledger["summary"]["answers"].get("/user/revoke-token", {})
    recorded = set(ConvaiToken.objects.values_list("fingerprint", flat=True))
    live = [token for token in tokens if token["status"] == "live"]
    alive = sum(fingerprint(Secret(token["value"])) in recorded for token in live)
    carried_out = sum(token["revoke_count"] for token in tokens)
    ended = LearnerSession.objects.exclude(ended_at=None).count()
    themselves = world.killed_themselves()
    dead, cleared = recovery

    minutes = (sizes.rounds - 1) * 5
    asked = f"{sizes.sessions} sessions ended in {minutes} min of outage, by {CLIENTS} clients"
    report.judge(NAME, asked, f"{ended} ended; revoke calls: {calls}", ended == sizes.sessions)
    found = f"{world.kills()}, of them {themselves.count(REVOKED)} right after a success and "
    found += f"{themselves.count(FAILED)} right after a failure, before the commit"
    met = world.kills() >= sizes.least_kills
    report.judge(NAME, f"at least {sizes.least_kills} kills by SIGKILL", found, met)
    asked = f"no recorded token alive {RECOVERY:.0f} s after Convai's recovery"
    found = f"{alive} of {len(tokens)} alive; the last one died after {dead:.1f} s"
    report.judge(NAME, asked, found, not live and dead <= RECOVERY)
    asked = f"none claimed beyond its lease ({lease().total_seconds():.0f} s)"
    found = f"{claimed} claims left, none owed after {cleared:.1f} s; longest lease {longest:.1f} s"
    met = claimed == 0 and cleared <= RECOVERY and longest <= lease().total_seconds()
    report.judge(NAME, asked, found, met)
    excess = carried_out - len(tokens)
    asked = "revoke calls carried out exceed tokens by no more than the kills"
    found = f"{carried_out} for {len(tokens)} tokens: {excess} more, {world.kills()} kills"
    report.judge(NAME, asked, found, 0 <= excess <= world.kills())
