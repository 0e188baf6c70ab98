"""How many logins a minute: for one name, and from one address."""

from __future__ import annotations

import hashlib
import logging
import unicodedata

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

logger = logging.getLogger(__name__)


class LoginThrottle(SimpleRateThrottle):
    """Counts, in the default cache, from one full minute to the next.

    Not DRF's list of times: two logins at once would be one in it, and for a whole school behind
    one address it would be long.
    """

    num_requests: int
    duration: int  # seconds

    def ident(self, request: Request) -> str | None:
        """Return what is counted, or None for a login that isn't."""
        raise NotImplementedError

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count this login; tell whether it is one too many."""
        ident = self.ident(request)
        if ident is None:
            return True
        digest = hashlib.sha256(ident.encode("utf-8", "surrogatepass")).hexdigest()
        key = f"{self.scope}:{self.timer() // self.duration:.0f}:{digest}"
        try:
            self.cache.add(key, 0, self.duration)
            count: int = self.cache.incr(key)
        except Exception as error:  # noqa: BLE001 - each cache has errors of its own
            # Without its cache a school still has to log in.
            logger.warning("Logins aren't throttled, as the cache fails: %s", type(error).__name__)
            return True
        return count <= self.num_requests

    def wait(self) -> float:
        """Return the seconds until the next full minute."""
        return self.duration - self.timer() % self.duration


class NameThrottle(LoginThrottle):
    """Against guessing one user's password, from however many addresses.

    It asks no database, so that it is the same whether there is such a user or not.
    """

    scope = "login_name"

    def ident(self, request: Request) -> str | None:
        name = request.data.get("username") if isinstance(request.data, dict) else None
        if not isinstance(name, str | int | float):
            return None
        # MariaDB takes names for the same that differ in case, accents or invisible characters.
        letters = unicodedata.normalize("NFKD", str(name).casefold())
        shown = (one for one in letters if unicodedata.category(one) not in ("Mn", "Cf", "Cc"))
        return "".join(shown).strip()


class AddressThrottle(LoginThrottle):
    """Against trying one password on all users."""

    scope = "login_address"

    def ident(self, request: Request) -> str | None:
        return self.get_ident(request)


LOGIN_THROTTLES = [NameThrottle, AddressThrottle]
