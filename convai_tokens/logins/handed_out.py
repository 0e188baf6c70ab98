"""What a login response hands out under a name that login stacks use for a credential.

The client will present that, and not the session cookie beside it. So a token must end with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest
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


class LoginResponse:
    """A login's response, to look for credentials in.

    A ``repr`` of it shows nothing, for crash reporters list what is local: take what you need out
    of ``data`` and ``credentials()`` in an expression, without a name for it.
    """

    def __init__(
        self, request: HttpRequest, response: HttpResponseBase, data: dict[str, Any]
    ) -> None:
        self.request = request
        self.response = response
        self._data = Hidden(data)

    @property
    def data(self) -> dict[str, Any]:
        """The JSON object that it answers."""
        return self._data.reveal()

    def credentials(self) -> Iterator[tuple[str, Secret]]:
        """Yield what may be a credential, by its name or form, with where it is in words."""
        for name, text in _in_body(self._data):
            yield f"{name!r} in its body", text
        own = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)
        for name, cookie in self.response.cookies.items():
            if name not in own and _is_credential(name, cookie.value):
                yield f"the cookie {name!r}", Secret(cookie.value)
        for name in HEADERS:
            if self.response.get(name):
                yield f"the header {name!r}", Secret(self.response[name].rpartition(" ")[2])


def _in_body(data: Hidden[Any]) -> Iterator[tuple[str, Secret]]:
    """Yield name and text of what may be a credential in JSON data, however deep in objects."""
    found = data.reveal()
    for name in found:
        value = Hidden(found[name])
        if isinstance(value.reveal(), Mapping):
            yield from _in_body(value)
        elif isinstance(value.reveal(), str) and _is_credential(name, value.reveal()):
            yield str(name), Secret(value.reveal())


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
