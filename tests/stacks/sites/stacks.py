"""The rows of the README's table of login stacks, and who plays each."""

from __future__ import annotations

from .drivers import (
    AllauthApp,
    AllauthBrowser,
    AllauthJwt,
    Authtoken,
    DjoserJwt,
    DjoserToken,
    DjRestAuthJwt,
    DjRestAuthJwtHeader,
    DjRestAuthSession,
    DjRestAuthToken,
    Driver,
    Knox,
    Ninja,
    OAuthCode,
    OAuthPassword,
    OpenEdx,
    OwnBearer,
    SimpleJwt,
)
from .page_drivers import Lti, Oidc, SocialAuth

STACKS: dict[str, type[Driver]] = {
    "Django sessions": Driver,
    "DRF authtoken": Authtoken,
    "knox": Knox,
    "simplejwt": SimpleJwt,
    "dj-rest-auth, token": DjRestAuthToken,
    "dj-rest-auth, JWT cookies": DjRestAuthJwt,
    "dj-rest-auth, JWT headers": DjRestAuthJwtHeader,
    "dj-rest-auth, session": DjRestAuthSession,
    "djoser, token": DjoserToken,
    "djoser, JWT": DjoserJwt,
    "allauth, app": AllauthApp,
    "allauth, app with JWT": AllauthJwt,
    "allauth, browser": AllauthBrowser,
    "oauth-toolkit, password": OAuthPassword,
    "oauth-toolkit, code": OAuthCode,
    "django-ninja": Ninja,
    "Open edX": OpenEdx,
    "a bearer of your own": OwnBearer,
    "LTI 1.3 (PyLTI1p3)": Lti,
    "social-auth": SocialAuth,
    "mozilla-django-oidc": Oidc,
}
