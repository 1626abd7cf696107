"""Secrets at rest: XSalsa20 and Poly1305, which are libsodium's ``secretbox``.

Not Fernet, which the control plane uses: the ``cryptography`` package brings a second OpenSSL, 7 MB in a process that should stay small.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
from collections.abc import Callable
from typing import Any

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

_OURS = "secretbox."
"""How what is sealed here begins. Earlier DTMAs wrote Fernet's tokens."""


def make_key() -> bytes:
    """A new key, as text of 44 characters."""
    return base64.urlsafe_b64encode(os.urandom(SecretBox.KEY_SIZE))


class Seal:
    """Encrypts and authenticates with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._box = SecretBox(hashlib.sha256(b"secrets at rest" + key).digest())

    def close(self, text: str) -> str:
        """Encrypt."""
        return _OURS + base64.urlsafe_b64encode(self._box.encrypt(text.encode())).decode()

    def open(self, sealed: str) -> str:
        """Decrypt; raises ``ValueError`` for what this key did not close."""
        if not sealed.startswith(_OURS):
            return self._open_fernet(sealed)
        try:
            return self._box.decrypt(base64.urlsafe_b64decode(sealed.removeprefix(_OURS))).decode()
        except CryptoError:
            raise ValueError("it was not sealed with this DTMA's key") from None

    def _open_fernet(self, token: str) -> str:
        # Loaded only by the first start of a new DTMA on an old home: the specs are written anew whenever they change.
        fernet = importlib.import_module("cryptography.fernet")
        try:
            return str(fernet.Fernet(self._key).decrypt(token).decode())
        except fernet.InvalidToken:
            raise ValueError("it was not encrypted with this DTMA's key") from None


def each_secret(spec: dict[str, Any], change: Callable[[str], str]) -> None:
    """Put something else in the place of every secret of a ``ServerSpec``'s JSON."""
    spec["secrets"] = {name: change(value) for name, value in spec.get("secrets", {}).items()}
    for file in spec.get("secret_files", ()):
        file["content"] = change(file["content"])
