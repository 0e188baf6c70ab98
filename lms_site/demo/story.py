"""The story: what a learner, a kiosk, an outage and an auditor see. Each step is checked."""

from __future__ import annotations

import time
from collections.abc import Callable

from convai_sandbox.process import Sandbox

from .clients import BearerLearner, Client, CookieLearner, Kiosk, Learner, token_of
from .processes import ProcessError, run
from .screen import Deviation, Screen, shortened
from .throwaway import ThrowAway

LOGIN_BUDGET = 3.0  # seconds that a login may spend on Convai; the app's default
AT_ONCE = 2.0  # seconds for a logout, on a slow machine too
REVOKED_WITHIN = 15.0  # seconds
SWEPT_WITHIN = 60.0  # seconds; after an outage the tries are spaced
AUDIT = ("convaitoken", "learnersession", "tokenevent")


class Story:
    """Plays against a running site; without a sandbox, Convai itself is on the other side."""

    def __init__(
        self, screen: Screen, site_url: str, site: ThrowAway, sandbox: Sandbox | None
    ) -> None:
        self.screen = screen
        self.site_url = site_url
        self.site = site
        self.sandbox = sandbox
        self._seen: list[str] = []
        self._revoked = 0

    def play(self) -> None:
        """Play all chapters, each from a clean start."""
        for learner in (BearerLearner, CookieLearner):
            with self.screen.chapter(f"A learner logs in with {learner.kind}"):
                self.login_and_logout(self.learner(learner))
        with self.screen.chapter("A kiosk: the next learner logs in over a forgotten session"):
            self.kiosk()
        with self.screen.chapter("Convai is down: nobody waits, and nothing is lost"):
            if self.sandbox is None:
                self.screen.aside("Skipped: only the sandbox can be stopped.")
            else:
                self.outage(self.sandbox)
        with self.screen.chapter("An auditor opens the admin"):
            self.audit()

    # The chapters

    def login_and_logout(self, learner: Learner) -> None:
        """Log in, connect, extend, log out; then the same token is turned away."""
        block = learner.log_in().data.get("convai", {})
        token = self.seen(token_of(block))
        self.connect(token, expect=200)
        extended = learner.extend().data
        self.screen.check(
            extended.get("apiAuthToken") == token
            and (extended.get("expirationTime") or "") >= block["expirationTime"],
            f"The same token, now good until {extended.get('expirationTime')}",
            "The answer names another token, or an earlier end.",
        )
        learner.log_out()
        self.wait_until_revoked(token)
        self.connect(token, expect=401)
        learner.call("GET", "/api/auth/me/", expect=401, headers=learner.headers())

    def kiosk(self) -> None:
        """Two learners, one browser, and no logout in between."""
        browser = Kiosk(self.screen, self.site.accounts["learner"], self.site_url)
        first = self.seen(token_of(browser.log_in(device="kiosk").data.get("convai", {})))
        self.connect(first, expect=200)
        browser.hand_over(self.site.accounts["second-learner"])
        second = self.seen(token_of(browser.log_in(device="kiosk").data.get("convai", {})))
        self.wait_until_revoked(first)
        self.connect(first, expect=401)
        self.connect(second, expect=200)
        browser.log_out()
        self.wait_until_revoked(second)

    def outage(self, sandbox: Sandbox) -> None:
        """Log in and out while the sandbox is stopped; then sweep."""
        early = self.learner(BearerLearner)
        usual = early.log_in()
        self.seen(token_of(usual.data.get("convai", {})))
        sandbox.stop()
        self.screen.aside("The sandbox is stopped: nobody listens at its address.")
        self.at_once(early)
        late = self.learner(BearerLearner)
        answer = late.log_in()
        block = answer.data.get("convai", {})
        error = block.get("error") or {}
        self.screen.check(
            block.get("apiAuthToken", "") is None and bool(error.get("code")),
            f"The login says why there is no token, and to retry in {error.get('retryAfter')} s",
            "The login's block has a token or no error.",
        )
        extra = max(answer.seconds - usual.seconds, 0.0)
        self.screen.check(
            extra <= LOGIN_BUDGET,
            f"It took {extra:.1f} s longer than before; {LOGIN_BUDGET:.0f} s are allowed",
            f"It took {extra:.1f} s longer than before.",
        )
        self.at_once(late)
        sandbox.start()
        self.screen.aside("The sandbox is back, and still knows its tokens.")
        self.sweep()
        live = sandbox.live()
        self.screen.check(
            not live,
            f"Convai's ledger: {len(sandbox.ledger()['tokens'])} tokens were generated, "
            "none of them is alive",
            f"{len(live)} tokens are alive: {', '.join(map(shortened, live))}.",
        )

    def audit(self) -> None:
        """Look through all that staff may see; no token value is among it."""
        auditor = self.site.accounts["auditor"]
        browser = Client(self.screen, auditor.username, self.site_url)
        browser.call("GET", "/admin/login/", expect=200)
        form = {
            "username": auditor.username,
            "password": auditor.password,
            "csrfmiddlewaretoken": browser.http.cookies.get("csrftoken"),
            "next": "/admin/",
        }
        browser.call("POST", "/admin/login/", expect=302, data=form)
        pages = [
            browser.call("GET", f"/admin/convai_tokens/{name}/", expect=200).text for name in AUDIT
        ]
        self.screen.check(
            all("second-learner" in page for page in pages),
            "Each page shows both learners",
            "A page lacks a learner.",
        )
        self.screen.check(
            not any(token in page for token in self._seen for page in pages),
            f"None of the {len(self._seen)} token values of this story is on any page",
            "A page shows a token value.",
        )

    # What the chapters are made of

    def learner(self, kind: type[Learner]) -> Learner:
        """Return a new client of the first learner."""
        return kind(self.screen, self.site.accounts["learner"], self.site_url)

    def seen(self, token: str) -> str:
        """Remember a token value, to look for it in the audit."""
        self._seen.append(token)
        return token

    def connect(self, token: str, *, expect: int) -> None:
        """Connect to Convai with a token, as the Unity client does."""
        if self.sandbox is None:
            self.screen.aside("Skipped: connecting, which is for the vendor's client alone.")
            return
        unity = Client(self.screen, "Unity client", self.sandbox.url)
        unity.call(
            "POST",
            "/connect",
            expect=expect,
            about=f"token {shortened(token)}",
            headers={"API-AUTH-TOKEN": token},
        )

    def at_once(self, learner: Learner) -> None:
        """Log out, and see that it didn't wait for anybody."""
        seconds = learner.log_out().seconds
        self.screen.check(
            seconds <= AT_ONCE, "The logout waited for nobody", f"It took {seconds:.1f} s."
        )

    def wait_until_revoked(self, token: str) -> None:
        """Watch until Convai knows the token as revoked."""
        sandbox = self.sandbox
        if sandbox is None:
            # Convai has no list of its tokens: what it confirmed is in the app's own table.
            self._revoked += 1
            told = "The audit: Convai has confirmed the revocation"

            def done() -> bool:
                return self.site.count_revoked() >= self._revoked

        else:
            told = f"Convai's ledger: {shortened(token)} is revoked"

            def done() -> bool:
                revoked = sandbox.ledger(status="revoked")["tokens"]
                return token in [each["value"] for each in revoked]

        seconds = waited(done, REVOKED_WITHIN)
        self.screen.check(
            seconds is not None,
            told if seconds is None else f"{told}, {seconds * 1000:.0f} ms later",
            f"It wasn't within {REVOKED_WITHIN:.0f} s.",
        )

    def sweep(self) -> None:
        """Run the sweep until nothing is owed; a try that failed isn't repeated at once."""

        def swept() -> bool:
            started = time.perf_counter()
            said = run("manage.py", "convai_sweep", environment=self.site.environment)
            counts = dict(word.split("=") for word in said.split())
            seconds = time.perf_counter() - started
            told = ", ".join(f"{counts.get(name, '?')} {name}" for name in ("revoked", "owed"))
            self.screen.timed("operator", "manage.py convai_sweep", seconds, told)
            return counts.get("owed") == "0"

        try:
            if waited(swept, SWEPT_WITHIN, pause=1.0) is None:
                raise Deviation(f"Revocations are still owed after {SWEPT_WITHIN:.0f} s.")
        except ProcessError as error:
            raise Deviation(str(error)) from error


def waited(done: Callable[[], bool], limit: float, pause: float = 0.02) -> float | None:
    """Ask again and again until ``done``; return the seconds, or None after ``limit`` seconds."""
    started = time.monotonic()
    while not done():
        if time.monotonic() - started > limit:
            return None
        time.sleep(pause)
    return time.monotonic() - started
