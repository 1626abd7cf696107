"""A small issuer of access tokens, with its metadata and keys (RFC 8414, RFC 7517), which misbehaves on demand."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm


class Issuer:
    """Listens on the loopback. ``metadata`` and ``keys`` are what it answers, for a test to change."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answers: dict[str, Any] = {"/.well-known/oauth-authorization-server": issuer.metadata, "/keys": issuer.keys}
                body = json.dumps(answers.get(self.path)).encode()
                issuer.asked.append(self.path)
                self.send_response(200 if self.path in answers else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.asked: list[str] = []
        self.metadata: Any = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.keys: Any = {"keys": [{**json.loads(ECAlgorithm.to_jwk(self.key.public_key())), "kid": "one", "use": "sig", "alg": "ES256"}]}
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def token(self, *, key: Any = None, algorithm: str = "ES256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token with these claims; those that are None are left out."""
        told = {"iss": self.url, "sub": "ada", "exp": int(time.time()) + 600, "email_verified": True, **claims}
        given = {name: value for name, value in told.items() if value is not None}
        return jwt.encode(given, key or self.key, algorithm=algorithm, headers={"kid": "one", "typ": "at+jwt", **(headers or {})})

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
