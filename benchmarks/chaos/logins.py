"""Logins killed: whatever moment a login dies at, its token is known, or its loss is.

One gunicorn worker with one thread serves one login after the other. For each kill a learner logs
in, and the worker gets SIGKILL: after a part of a login's usual duration, spread evenly over the
whole of it and a little beyond, or at one of two moments that time alone hits seldom: Convai's
answer is there and nothing committed, or the token is committed and the login not answered.

Between two kills the harness waits until the sandbox has done what it was asked, so that each
token in the ledger belongs to one kill. Then the rows are set back by the time after which the
sweep gives a generate call up, one sweep runs, and the ledger is compared with the table.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

import requests

from convai_tokens.lifecycle.sealing import fingerprint
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.lifecycle.tidying import STALE
from convai_tokens.models import ConvaiToken, TokenStatus
from convai_tokens.secret import Secret

from .hooks import COMMITTED, GENERATED
from .learners import Learner, make_users
from .processes import Web, kill
from .report import Report
from .sizes import KillLoginsSizes
from .world import World

NAME = "kill-logins"
TRIES = 3  # until a login comes to the moment at which its worker is to die
MEASURED = 10  # logins without a kill, for their duration
BEYOND = 1.15  # of a login's duration, up to which kills are spread


@dataclass
class Kill:
    """One login that was killed: the learner, and the tokens in the ledger that it added."""

    learner: str
    moment: str
    answered: bool
    tokens: list[str]


def run(world: World, sizes: KillLoginsSizes, report: Report) -> None:
    """Kill, sweep, compare."""
    world.sandbox.set(latency=sizes.login_latency)
    names = make_users(MEASURED + sizes.login_kills)
    with Web(world, workers=1, threads=1) as web:
        usual = _duration(web, names[:MEASURED])
        report.note(NAME, f"a login takes {usual * 1000:.0f} ms")
        kills = []
        for number, name in enumerate(names[MEASURED:]):
            web.wait_until_it_serves()
            share = (number + world.random.random()) / sizes.login_kills * BEYOND
            # Two of seven at the moments that are hard to hit by time.
            moment = {2: GENERATED, 5: COMMITTED}.get(number % 7, "")
            for _ in range(TRIES):
                killed = _kill_one(world, web, name, moment, share * usual, bearer=number % 2 == 0)
                if killed:
                    kills.append(killed)
                    break
                report.note(NAME, f"a login did not come to the moment {moment!r}; again")
            else:
                raise RuntimeError(f"No login comes to the moment {moment!r}.")
    _judge(kills, report)


def _duration(web: Web, names: list[str]) -> float:
    """Return the median duration of a worker's first login in seconds.

    The first one takes longer, and each login that is to be killed is one.
    """
    seconds = []
    for number, name in enumerate(names):
        kill(*web.workers())
        web.wait_until_it_serves()
        learner = Learner(web.url, name, bearer=number % 2 == 0)
        started = time.monotonic()
        learner.log_in()
        seconds.append(time.monotonic() - started)
    return median(seconds)


def _kill_one(
    world: World, web: Web, name: str, moment: str, delay: float, *, bearer: bool
) -> Kill | None:
    """Let a learner log in, and kill the worker meanwhile; return what came of it.

    None: the login had an end before the moment came, as on a machine so busy that its budget ran
    out. Nobody was killed then.
    """
    before = {token["value"] for token in world.sandbox.ledger()["tokens"]}
    answers: list[bool] = []

    def log_in() -> None:
        try:
            answers.append(bool(Learner(web.url, name, bearer=bearer).log_in(timeout=15)))
        except requests.RequestException:
            answers.append(False)

    client = threading.Thread(target=log_in)
    (worker,) = web.workers()
    kills_before = world.kills()
    if moment:
        world.hand_out(moment, 1)
    client.start()
    if not moment:
        time.sleep(delay)
        world.killed += kill(worker)
    client.join()
    world.take_back()
    _wait_for_the_sandbox(world)
    died = world.kills() - kills_before
    if moment and died == 0:
        return None
    if died != 1:
        raise RuntimeError(f"{died} processes died of one kill.")
    after = [token["value"] for token in world.sandbox.ledger()["tokens"]]
    tokens = [value for value in after if value not in before]
    return Kill(name, moment or "by time", answers == [True], tokens)


def _wait_for_the_sandbox(world: World) -> None:
    """Return once it has done what it was asked, although nobody waits for it any more."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(0.05)
        summary = world.sandbox.summary()
        asked = summary["calls"].get("/user/connect", 0)
        if asked == sum(summary["answers"].get("/user/connect", {}).values()):
            return
    raise RuntimeError("The sandbox doesn't come to rest.")


def _judge(kills: list[Kill], report: Report) -> None:
    """Sweep, then compare the ledger with the table."""
    tokens = ConvaiToken.objects
    generating = tokens.filter(status=TokenStatus.GENERATING)
    died = generating.count()
    longer_ago = STALE + timedelta(seconds=1)
    for token in generating:
        tokens.filter(pk=token.pk).update(generated_at=token.generated_at - longer_ago)
    sweep(workers=2)

    known = set(tokens.exclude(fingerprint="").values_list("fingerprint", flat=True))
    unknown = Counter(
        tokens.filter(status=TokenStatus.UNKNOWN).values_list("session__username", flat=True)
    )
    lost = [
        [value for value in kill.tokens if fingerprint(Secret(value)) not in known]
        for kill in kills
    ]
    unaccounted = sum(
        max(len(values) - unknown[kill.learner], 0)
        for kill, values in zip(kills, lost, strict=True)
    )
    generated = sum(len(kill.tokens) for kill in kills)
    nobody_has = sum(len(values) for values in lost)
    moments = Counter(kill.moment for kill in kills)
    answered = sum(kill.answered for kill in kills)
    report.note(
        NAME,
        f"{dict(moments)}; {answered} logins had been answered before; {died} rows stood at "
        f"generating; {sum(unknown.values())} are unknown now, {tokens.count()} in all",
    )
    report.judge(
        NAME,
        f"SIGKILL at {len(kills)} moments of a login: each token at Convai is known or unknown row",
        f"{generated} generated, {generated - nobody_has} known, {nobody_has - unaccounted} with "
        f"an `unknown` row, {unaccounted} lost",
        unaccounted == 0 and generated > 0,
    )
    worst = max(len(values) for values in lost)
    report.judge(NAME, "at most one unknown token for a kill", f"at most {worst}", worst <= 1)
    left = generating.all().count()
    report.judge(NAME, "no row stays at `generating` after the sweep", f"{left}", left == 0)
