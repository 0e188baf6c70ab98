"""An identity provider on loopback, for OIDC and social-auth; and the keys of an LTI platform."""

from __future__ import annotations

import json
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT = "simulation"
PLATFORM = "https://platform.example"
ACCESS = "an-access-token-of-"


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem() -> str:
    return (
        private_key()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def key_set() -> dict[str, Any]:
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private_key().public_key()))
    return {"keys": [{**key, "kid": "one", "alg": "RS256", "use": "sig"}]}


def id_token(issuer: str, username: str, **claims: Any) -> str:
    """Return who logged in, signed."""
    now = int(time.time())
    who = {"sub": username, "email": f"{username}@example.org", "preferred_username": username}
    times = {"iat": now, "exp": now + 600}
    payload = {"iss": issuer, "aud": CLIENT, **times, **who, **claims}
    return jwt.encode(payload, private_key(), algorithm="RS256", headers={"kid": "one"})


def platform() -> dict[str, str]:
    """Return the environment of a tool that knows the LTI platform."""
    config = {
        "client_id": CLIENT,
        "auth_login_url": f"{PLATFORM}/authorize",
        "auth_token_url": f"{PLATFORM}/token",
        "key_set": key_set(),
        "deployment_ids": ["1"],
    }
    return {"LTI_PLATFORM": json.dumps({PLATFORM: config}), "LTI_KEY": private_pem()}


def lti_claims(address: str) -> dict[str, Any]:
    """Return what a launch claims, beside who it is."""
    base = "https://purl.imsglobal.org/spec/lti/claim"
    return {
        f"{base}/message_type": "LtiResourceLinkRequest",
        f"{base}/version": "1.3.0",
        f"{base}/deployment_id": "1",
        f"{base}/target_link_uri": address,
        f"{base}/resource_link": {"id": "lesson-1"},
        f"{base}/roles": [],
    }


class IdentityProvider:
    """Answers discovery, keys, tokens and user info. A context manager.

    A code is the username and the nonce: whoever plays the browser makes it up.
    """

    def __enter__(self) -> Self:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                bearer = self.headers.get("Authorization", "")
                self.reply(provider.page(self.path.rstrip("/"), bearer))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                (code,) = parse_qs(body)["code"]
                self.reply(provider.token(*code.split(" ")))

            def reply(self, data: Any) -> None:
                content = json.dumps(data).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *details: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def page(self, path: str, bearer: str) -> Any:
        if path == "/jwks":
            return key_set()
        if path == "/userinfo":
            username = bearer.rpartition(ACCESS)[2]
            email = f"{username}@example.org"
            return {"sub": username, "email": email, "preferred_username": username}
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def token(self, username: str, nonce: str) -> dict[str, Any]:
        return {
            "access_token": ACCESS + username,
            "token_type": "Bearer",
            "id_token": id_token(self.url, username, nonce=nonce),
        }
