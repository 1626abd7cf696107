"""Secrets at rest: authenticated encryption of JSON values, with keys that can be rotated."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models


@cache
def _cipher(passphrases: tuple[str, ...]) -> MultiFernet:
    def derive(passphrase: str) -> Fernet:
        key = HKDF(SHA256(), length=32, salt=None, info=b"agentopia.secrets").derive(passphrase.encode())
        return Fernet(base64.urlsafe_b64encode(key))

    return MultiFernet([derive(passphrase) for passphrase in passphrases])


def encrypt(value: Any) -> str:
    """Encrypt a JSON value with the newest key."""
    return _cipher(tuple(settings.ENCRYPTION_KEYS)).encrypt(json.dumps(value).encode()).decode()


def decrypt(token: str) -> Any:
    """Undo `encrypt`; raises ``cryptography.fernet.InvalidToken`` if no key fits."""
    return json.loads(_cipher(tuple(settings.ENCRYPTION_KEYS)).decrypt(token.encode()))


class EncryptedJSONField(models.TextField[Any, Any]):
    """A JSON value that the database only ever sees encrypted; it cannot be searched by."""

    _pyi_private_set_type: Any  # for django-stubs: the attribute is a JSON value, not a text
    _pyi_private_get_type: Any

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return None if value is None else decrypt(value)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else encrypt(value)

    def value_to_string(self, obj: models.Model) -> str:
        return encrypt(self.value_from_object(obj))
