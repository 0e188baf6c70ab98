"""What a login response hands out under a name that login stacks use for a credential.

The client will present that, and not the session cookie beside it. So a token must end with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase

from ..conf import app_settings
from ..secret import Hidden, Secret

# Of DRF's authtoken, knox, simplejwt, dj-rest-auth, djoser, oauth-toolkit and their like.
NAMES = frozenset(
    [
        "token",
        "key",
        "auth_token",
        "access",
        "access_token",
        "refresh",
        "refresh_token",
        "id_token",
        "jwt",
        "bearer",
    ]
)
HEADERS = ("Authorization", "X-Auth-Token", "X-Access-Token")
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


def credentials_in(data: Hidden[Any]) -> Iterator[tuple[str, Secret]]:
    """Yield name and text of what may be a credential in a response's data, however deep."""
    found = data.reveal()
    for name in found if isinstance(found, Mapping) else ():
        value = found[name]
        if isinstance(value, str):
            if _is_credential(name, value):
                yield str(name), Secret(value)
        elif isinstance(value, Mapping):
            yield from credentials_in(Hidden(value))


def unknown_credential(data: Hidden[Any], response: HttpResponseBase) -> str:
    """Return what a response hands out beside a session, in words; empty if there is nothing.

    To be called where no login stack has recognised any of it.
    """
    names = [f"{name!r} in its body" for name, _ in credentials_in(data)]
    own = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)
    names += [
        f"the cookie {name!r}"
        for name, cookie in response.cookies.items()
        if name not in own and _is_credential(name, cookie.value)
    ]
    names += [f"the header {name!r}" for name in HEADERS if response.get(name)]
    return ", ".join(names)


def _is_credential(name: object, value: str) -> bool:
    """Tell whether a value may be a credential: by its name, or since it is a JSON Web Token."""
    if not value or any(map(str.isspace, value)) or _plain(name) in _exempt():
        return False
    return _plain(name) in NAMES or _JWT.fullmatch(value) is not None


def _plain(name: object) -> str:
    """Return a name as ``NAMES`` has it, for ``accessToken`` and ``__Host-access-token`` too."""
    words = _WORD.sub("_", str(name)).replace("-", "_").lower()
    return words.removeprefix("__host_").removeprefix("__secure_")


def _exempt() -> set[str]:
    return {*map(_plain, app_settings.NO_CREDENTIALS)}
