"""A secret shows itself to whoever uses it, and to nobody who looks at values."""

from __future__ import annotations

import json
import pickle

from lms_site.secret import Secret


def test_a_secret_hides_from_every_repr() -> None:
    secret = Secret("canary")

    assert "canary" not in f"{secret!r} {[secret]} { {'a': (secret,)} }"


def test_a_secret_is_used_as_any_string() -> None:
    secret = Secret("canary")

    assert (secret, f"{secret}", secret.encode()) == ("canary", "canary", b"canary")
    assert json.dumps(secret) == '"canary"'
    assert pickle.loads(pickle.dumps(secret)) == secret
