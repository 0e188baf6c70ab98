"""Clients whose login ends in a page: LTI launches, social-auth, OIDC. They play the browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from lms_site.demo.processes import direct_http

from .drivers import Driver, Login
from .identity_provider import PLATFORM, id_token, lti_claims
from .site import PASSWORD


def query_of(response: requests.Response) -> dict[str, str]:
    """Return the parameters with which a response sends the browser elsewhere."""
    found = parse_qs(urlsplit(response.headers["Location"]).query)
    return {name: values[0] for name, values in found.items()}


class PageDriver(Driver):
    ours = "Logins that end in a page"

    def log_in(
        self, username: str = "learner", device: str = "", password: str = PASSWORD
    ) -> Login:
        http = direct_http()
        if password != PASSWORD:  # nobody comes back from the provider
            return Login(http.get(f"{self.site.url}/whoami/"), http)
        http.get(f"{self.site.url}/browser/")  # which sets the CSRF cookie
        return Login(self.come_back(http, username), http)

    def come_back(self, http: requests.Session, username: str) -> requests.Response:
        raise NotImplementedError


class Lti(PageDriver):
    section = "LTI 1.3"

    def come_back(self, http: requests.Session, username: str) -> requests.Response:
        launch = f"{self.site.url}/lti/launch/"
        form = {"iss": PLATFORM, "login_hint": username, "target_link_uri": launch}
        asked = query_of(http.post(f"{self.site.url}/lti/start/", form, allow_redirects=False))
        token = id_token(PLATFORM, username, nonce=asked["nonce"], **lti_claims(launch))
        return http.post(launch, {"id_token": token, "state": asked["state"]})


class Redirected(PageDriver):
    """Sent to the provider and back, with a code."""

    start: str

    def begin(self, http: requests.Session) -> requests.Response:
        return http.get(self.site.url + self.start, allow_redirects=False)

    def come_back(self, http: requests.Session, username: str) -> requests.Response:
        asked = query_of(self.begin(http))
        answer: Mapping[str, Any] = {
            "code": f"{username} {asked.get('nonce', '')}",
            "state": asked["state"],
        }
        return http.get(asked["redirect_uri"], params=answer)


class SocialAuth(Redirected):
    section = "social-auth"
    start = "/social/login/provider/"

    def begin(self, http: requests.Session) -> requests.Response:
        form = {"csrfmiddlewaretoken": http.cookies["csrftoken"]}
        return http.post(self.site.url + self.start, form, allow_redirects=False)


class Oidc(Redirected):
    section = "mozilla-django-oidc"
    start = "/oidc/authenticate/"
