"""Token values at rest: seal, unseal, fingerprint; and the keyed digest of a credential.

A sealed value is AES-256-GCM under a key derived with HKDF, with the ids of its row and of its
learner session as associated data: moved to another row, or with its row to another learner, it
doesn't open. Keys are listed newest first; the newest seals, all unseal.
"""

from __future__ import annotations

import base64
import hmac
import os
import uuid
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..conf import app_settings
from ..exceptions import SealBroken
from ..secret import Hidden, Secret

VERSION = "v1."
NONCE_BYTES = 12  # what NIST SP 800-38D recommends for GCM
FINGERPRINT_LENGTH = 12


@lru_cache(maxsize=32)
def _derive(key: Secret, purpose: str) -> Hidden[bytes]:
    info = f"convai_tokens.{purpose}".encode()
    kdf = HKDF(hashes.SHA256(), length=32, salt=None, info=info)
    return Hidden(kdf.derive(key.reveal().encode()))


def _place(token_id: int, session_id: uuid.UUID) -> bytes:
    return f"convai_tokens.ConvaiToken:{token_id}:{session_id}".encode()


def seal(value: Secret, token_id: int, session_id: uuid.UUID) -> str:
    """Return ``value`` encrypted for this token of this learner session, as ASCII text."""
    nonce = os.urandom(NONCE_BYTES)
    cipher = AESGCM(_derive(app_settings.encryption_keys()[0], "seal").reveal())
    sealed = nonce + cipher.encrypt(nonce, value.reveal().encode(), _place(token_id, session_id))
    return VERSION + base64.urlsafe_b64encode(sealed).decode()


def unseal(sealed: str, token_id: int, session_id: uuid.UUID) -> Secret:
    """Return the token value that was sealed for this token of this learner session.

    Raises ``SealBroken`` when no key opens it, or when it was sealed for another place.
    """
    for key in app_settings.encryption_keys():
        value = _open(sealed, key, _place(token_id, session_id))
        if value is not None:
            return value
    raise SealBroken(f"No encryption key opens token {token_id}.")


def is_sealed_by_newest(sealed: str, token_id: int, session_id: uuid.UUID) -> bool:
    """Tell whether the newest key opens it, so that the older ones aren't needed for it."""
    newest = app_settings.encryption_keys()[0]
    return _open(sealed, newest, _place(token_id, session_id)) is not None


def _open(sealed: str, key: Secret, place: bytes) -> Secret | None:
    """Return what this key opens, None if it doesn't."""
    version, text = sealed[: len(VERSION)], sealed[len(VERSION) :]
    try:
        raw = base64.urlsafe_b64decode(text)
    except ValueError:
        return None
    if version != VERSION or len(raw) <= NONCE_BYTES:
        return None
    cipher = AESGCM(_derive(key, "seal").reveal())
    try:
        return Secret(cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place).decode())
    except InvalidTag:
        return None


def fingerprint(value: Secret) -> str:
    """Return 12 hex digits by which people can match a token without its value."""
    return _keyed_hash(app_settings.encryption_keys()[0], "fingerprint", value)[:FINGERPRINT_LENGTH]


def credential_digests(credential: Secret) -> list[str]:
    """Return the keyed hashes of a credential, 64 hex digits each, that of the newest key first.

    It is stored under that one; under all of them it is looked up, to survive a new key.
    """
    keys = app_settings.encryption_keys()
    return [_keyed_hash(key, "credential", credential) for key in keys]


def key_ids() -> list[str]:
    """Return 8 hex digits for each key, newest first, by which a row tells what digested it."""
    return [*map(_key_id, app_settings.encryption_keys())]


def mac(purpose: str, text: str, key_id: str = "") -> str:
    """Return a key's id and 32 hex digits of a hash of the text, which only its holder can make.

    By the newest key, or by that of ``key_id``. Raises ``KeyError`` where that one is gone.
    """
    keys = {_key_id(key): key for key in reversed(app_settings.encryption_keys())}
    key_id = key_id or _key_id(app_settings.encryption_keys()[0])
    return key_id + _keyed_hash(keys[key_id], purpose, Secret(text))[:32]


@lru_cache(maxsize=32)
def _key_id(key: Secret) -> str:
    return _keyed_hash(key, "key id", Secret())[:8]


def _keyed_hash(key: Secret, purpose: str, value: Secret) -> str:
    derived = _derive(key, purpose)
    return hmac.digest(derived.reveal(), value.reveal().encode(), "sha256").hex()
