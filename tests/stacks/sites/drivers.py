"""How a client of each login stack logs in, and what else it may do there."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from lms_site.demo.processes import direct_http

from .site import PASSWORD, StackSite

EXPIRED = "timezone.now() - timedelta(days=400)"


@dataclass
class Login:
    """A learner who is logged in: the response to that, and what the client presents from now on.

    ``kept`` is what else it keeps, such as a refresh token.
    """

    response: requests.Response
    http: requests.Session
    headers: dict[str, str] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def block(self) -> dict[str, Any] | None:
        """What the response says of the token, in its JSON or in its page."""
        in_page = re.search(r'<script id="convai" [^>]*>(.*?)</script>', self.response.text)
        if in_page:
            return json.loads(in_page[1])  # type: ignore[no-any-return]
        if "json" not in self.response.headers.get("Content-Type", ""):
            return None
        block: dict[str, Any] | None = self.response.json().get("convai")
        return block


class Driver:
    """A client of Django sessions by JSON views; the others differ in what they override.

    ``section`` is the quick start's, ``ours`` that of our page. ``expire`` is code that lets the
    credential's time pass, as the stack keeps it.
    """

    section = ours = "Django sessions"
    login_path, logout_path = "/login/", "/logout/"
    expire = (
        "from django.contrib.sessions.models import Session\n"
        f"Session.objects.update(expire_date={EXPIRED})\ncall_command('clearsessions')"
    )
    can_rotate = can_end_others = False
    is_every_site = True  # has the lines for every site
    on_mariadb = False

    def __init__(self, site: StackSite) -> None:
        self.site = site

    def log_in(
        self, username: str = "learner", device: str = "", password: str = PASSWORD
    ) -> Login:
        http = direct_http()
        body = {"username": username, "password": password}
        response = self.send(http, body | ({"device": device} if device else {}))
        return self.logged_in(response, http)

    def send(self, http: requests.Session, body: dict[str, str]) -> requests.Response:
        return http.post(self.site.url + self.login_path, json=body)

    def logged_in(self, response: requests.Response, http: requests.Session) -> Login:
        return Login(response, http)

    def post(self, login: Login, path: str, body: Any = None) -> requests.Response:
        headers = {**login.headers, "X-CSRFToken": login.http.cookies.get("csrftoken") or ""}
        return login.http.post(self.site.url + path, json=body, headers=headers)

    def get(self, login: Login, path: str) -> requests.Response:
        return login.http.get(self.site.url + path, headers=login.headers)

    def log_out(self, login: Login) -> requests.Response:
        return self.post(login, self.logout_path)

    def rotate(self, login: Login) -> tuple[requests.Response, Login]:
        raise NotImplementedError

    def end_others(self, login: Login) -> None:
        raise NotImplementedError


class Bearer(Driver):
    """A client that presents what ``name`` in the response is, and nothing else: no cookie."""

    ours = ""
    name, keyword = "token", "Token"

    def logged_in(self, response: requests.Response, http: requests.Session) -> Login:
        data = response.json() if response.ok else {}
        login = Login(response, direct_http(), kept=data)
        if self.name in data:
            login.headers["Authorization"] = f"{self.keyword} {data[self.name]}"
        return login


class Authtoken(Bearer):
    section = "DRF authtoken"
    expire = ""


class Knox(Bearer):
    section = "knox"
    expire = f"from knox.models import AuthToken\nAuthToken.objects.update(expiry={EXPIRED})"
    can_end_others = True

    def end_others(self, login: Login) -> None:
        assert self.post(login, "/logoutall/").status_code == 204


class SimpleJwt(Bearer):
    section = ours = "simplejwt"
    name, keyword = "access", "Bearer"
    refresh_path = "/refresh/"
    expire = (
        "from rest_framework_simplejwt.token_blacklist.models import OutstandingToken\n"
        f"OutstandingToken.objects.update(expires_at={EXPIRED})"
    )
    can_rotate = True

    def log_out(self, login: Login) -> requests.Response:
        return self.post(login, self.logout_path, {"refresh": login.kept["refresh"]})

    def rotate(self, login: Login) -> tuple[requests.Response, Login]:
        answer = self.post(login, self.refresh_path, {"refresh": login.kept["refresh"]})
        return answer, self.logged_in(answer, login.http)


class DjRestAuthToken(Bearer):
    section = "dj-rest-auth, token"
    name = "key"
    expire = ""


class DjRestAuthJwt(SimpleJwt):
    """The tokens are in cookies."""

    section = ours = "dj-rest-auth, JWT"
    refresh_path = "/token/refresh/"

    def logged_in(self, response: requests.Response, http: requests.Session) -> Login:
        return Login(response, http)

    def log_out(self, login: Login) -> requests.Response:
        return self.post(login, self.logout_path)

    def rotate(self, login: Login) -> tuple[requests.Response, Login]:
        return self.post(login, self.refresh_path, {}), login


class DjRestAuthJwtHeader(SimpleJwt):
    section, ours = "dj-rest-auth, JWT in headers", "dj-rest-auth, JWT"
    refresh_path = "/token/refresh/"


class DjRestAuthSession(Driver):
    section, ours = "dj-rest-auth, session", ""


class DjoserToken(Bearer):
    section = "djoser, token"
    login_path, logout_path = "/auth/token/login/", "/auth/token/logout/"
    name = "auth_token"
    expire = ""


class DjoserJwt(SimpleJwt):
    section = ours = "djoser, JWT"
    login_path, logout_path = "/auth/jwt/create/", "/auth/jwt/logout/"
    refresh_path = "/auth/jwt/refresh/"
    keyword = "JWT"


class AllauthApp(Driver):
    """The session's key is in a header."""

    section = ours = "allauth"
    api = "/_allauth/app/v1"
    can_end_others = True

    @property
    def login_path(self) -> str:  # type: ignore[override]
        return f"{self.api}/auth/login"

    def logged_in(self, response: requests.Response, http: requests.Session) -> Login:
        token = response.json().get("meta", {}).get("session_token", "")
        return Login(response, direct_http(), {"X-Session-Token": token})

    def log_out(self, login: Login) -> requests.Response:
        return login.http.delete(
            f"{self.site.url}{self.api}/auth/session", headers=self._headers(login)
        )

    def end_others(self, login: Login) -> None:
        address = f"{self.site.url}{self.api}/auth/sessions"
        sessions = login.http.get(address, headers=login.headers).json()["data"]
        body = {"sessions": [it["id"] for it in sessions if not it["is_current"]]}
        done = login.http.delete(address, headers=self._headers(login), json=body)
        assert done.status_code == 200, done.text

    def _headers(self, login: Login) -> dict[str, str]:
        return {**login.headers, "X-CSRFToken": login.http.cookies.get("csrftoken") or ""}


class AllauthBrowser(AllauthApp):
    """The session's key is in the cookie."""

    api = "/_allauth/browser/v1"

    def send(self, http: requests.Session, body: dict[str, str]) -> requests.Response:
        http.get(f"{self.site.url}{self.api}/config")
        headers = {"X-CSRFToken": http.cookies["csrftoken"] or ""}
        return http.post(self.site.url + self.login_path, json=body, headers=headers)

    def logged_in(self, response: requests.Response, http: requests.Session) -> Login:
        return Login(response, http)


class AllauthJwt(AllauthApp):
    section = ours = "allauth with JWT"
    can_rotate = True

    def logged_in(self, response: requests.Response, http: requests.Session) -> Login:
        meta = response.json().get("meta", {})
        return Login(
            response, direct_http(), {"Authorization": f"Bearer {meta.get('access_token')}"}, meta
        )

    def rotate(self, login: Login) -> tuple[requests.Response, Login]:
        body = {"refresh_token": login.kept["refresh_token"]}
        answer = login.http.post(f"{self.site.url}/_allauth/app/v1/tokens/refresh", json=body)
        data = answer.json()["data"]
        headers = {"Authorization": f"Bearer {data['access_token']}"}
        return answer, Login(answer, login.http, headers, {**login.kept, **data})


class OAuthPassword(Bearer):
    section = ours = "oauth-toolkit"
    name, keyword = "access_token", "Bearer"
    expire = (
        "from oauth2_provider.models import AccessToken\n"
        f"AccessToken.objects.update(expires={EXPIRED})"
    )
    can_rotate = True
    grant = "password"

    def __init__(self, site: StackSite) -> None:
        super().__init__(site)
        fields = (
            f"client_id='{self.grant}', name='simulation', client_type='public', "
            f"authorization_grant_type='{self.grant.replace('_', '-')}', "
            "redirect_uris='http://127.0.0.1/done', skip_authorization=True"
        )
        site.run(
            "from oauth2_provider.models import Application\n"
            f"Application.objects.filter(client_id='{self.grant}').exists() or "
            f"Application.objects.create({fields})"
        )

    def token(self, http: requests.Session, **form: str) -> requests.Response:
        return http.post(f"{self.site.url}/o/token/", {"client_id": self.grant, **form})

    def send(self, http: requests.Session, body: dict[str, str]) -> requests.Response:
        return self.token(http, grant_type="password", **body)

    def log_out(self, login: Login) -> requests.Response:
        form = {"client_id": self.grant, "token": login.kept["refresh_token"]}
        return login.http.post(f"{self.site.url}/o/revoke_token/", form)

    def rotate(self, login: Login) -> tuple[requests.Response, Login]:
        refresh = login.kept["refresh_token"]
        answer = self.token(login.http, grant_type="refresh_token", refresh_token=refresh)
        return answer, self.logged_in(answer, login.http)


class OAuthCode(OAuthPassword):
    """By a browser that is logged in, and PKCE."""

    grant = "authorization_code"

    def send(self, http: requests.Session, body: dict[str, str]) -> requests.Response:
        if body["password"] != PASSWORD:
            return self.token(http, grant_type=self.grant, code="none", code_verifier="x" * 43)
        self.site.log_in_to_browser(http, body["username"])
        verifier = "v" * 50
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": self.grant,
            "response_type": "code",
            "redirect_uri": "http://127.0.0.1/done",
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        done = http.get(f"{self.site.url}/o/authorize/", params=query, allow_redirects=False)
        (code,) = parse_qs(urlsplit(done.headers["Location"]).query)["code"]
        form = {"code": code, "code_verifier": verifier, "redirect_uri": query["redirect_uri"]}
        # With the browser's cookies: it is a page of the LMS's that asks.
        device = {"device": body["device"]} if "device" in body else {}
        return self.token(http, grant_type=self.grant, **form, **device)


class Ninja(Driver):
    section = ours = "django-ninja"
    login_path, logout_path = "/api/login", "/api/logout"


class OpenEdx(Driver):
    """One session for each learner: each login ends the one before."""

    section, ours = "Open edX", ""
    is_every_site = False
    on_mariadb = True
    login_path = "/login_session/"
    expire = ""  # of a session in a cache
    can_end_others = True

    def send(self, http: requests.Session, body: dict[str, str]) -> requests.Response:
        http.get(f"{self.site.url}/login/")
        headers = {"X-CSRFToken": http.cookies["csrftoken"] or ""}
        return http.post(self.site.url + self.login_path, body, headers=headers)

    def end_others(self, login: Login) -> None:
        """The login has done so."""


class OwnBearer(Bearer):
    section, ours = "A bearer of the LMS's own", "A stack of your own"
    keyword = "Pass"
    expire = f"from lms.models import Pass\nPass.objects.update(expires={EXPIRED})"


def slug(name: str) -> str:
    """Return a stack's name as pytest and a file system like it."""
    return re.sub(r"\W+", "-", name).strip("-").lower()
