"""Telling, of a word on a command line or the name of a variable, whether it is a secret or a path of somebody's own machine."""

from __future__ import annotations

import re

_SECRET_NAME = re.compile(
    r"(^|[_\-. ])(api[_-]?key|keys?|apikey|tokens?|secrets?|password|passwd|pass|pwd|pat|credentials?|auth|authorization|bearer|dsn"
    r"|connection[_-]?string|private|cookie|session)($|[_\-. ])|(api|access|auth|client|private|secret)(key|token|secret)$|password$",
    re.IGNORECASE,
)
_ADDRESS_NAME = re.compile(r"(database|db|postgres|postgresql|mysql|mongo|mongodb|redis|amqp)[_-]?(url|uri)$", re.IGNORECASE)
_SECRET_WORD = re.compile(
    r"^(bearer|basic|token)\s+\S|^(sk|pk|rk|ghp|gho|ghu|ghs|ghr|github_pat|glpat|xox[abprs]|npm|pypi|hf|lin_api|ntn|secret|AKIA|ASIA|AIza|eyJ)"
    r"[-_A-Za-z0-9.]{12,}$|^[a-z]+(?:\+[a-z]+)?://[^/\s:@]*:[^/\s@]+@|:\s*bearer\s+\S|(api[_-]?key|token|password|secret)[=:]\S",
    re.IGNORECASE,
)
_LONG_RANDOM = re.compile(r"^(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_+/=-]{32,}$")
_OWN_PATH = re.compile(
    r"^(~|\.{1,2}([/\\]|$)|[A-Za-z]:[\\/]|\\\\"
    r"|/(Users|home|Volumes|mnt|media|root|opt|srv|var|tmp|usr|etc|path|private|workspaces?|projects?)(/|$)|\$\{?HOME|\$\{workspace|\$\{userHome|%[A-Z]+%)|^file://"
)
PLACEHOLDER = re.compile(
    r"\$\{(?:input:|env:)?([A-Za-z_][A-Za-z0-9_.-]*)\}|\$([A-Z][A-Z0-9_]{2,})|<([A-Za-z][A-Za-z0-9_ -]*)>|%([A-Z][A-Z0-9_]+)%"
)


def is_secret_name(name: str) -> bool:
    """Whether a variable or an option of this name holds a secret, as far as a name can say."""
    plain = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name.lstrip("-"))
    return _SECRET_NAME.search(plain) is not None or _ADDRESS_NAME.search(plain) is not None


def is_secret_word(word: str) -> bool:
    """Whether a word looks like a secret itself: a key with a well-known beginning, an address with a password in it."""
    return _SECRET_WORD.search(word) is not None or (_LONG_RANDOM.match(word) is not None and "/" not in word[:1])


def is_own_path(word: str) -> bool:
    """Whether a word is a path on the machine that it was written on."""
    return _OWN_PATH.match(word) is not None and not word.startswith("//")
