"""Phrases that speak to a model of other things than what a tool does."""

from __future__ import annotations

import re
from collections.abc import Iterator

EXCERPT = 160
BEFORE, AFTER = 30, 60

_KINDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "overrides",
        "It tells the model to disregard what others told it.",
        (
            (
                r"\b(?:ignore|disregard|forget|override|bypass)\s+(?:(?:all|any|every|of|the|your|my|these|those|other)\s+){0,4}"
                r"(?:previous|prior|above|earlier|preceding|existing|system|original|safety)\s+"
                r"(?:\w+\s+)?(?:instructions?|rules?|prompts?|messages?|guidelines?|directions?|context|constraints?|polic(?:y|ies))"
            ),
            r"\b(?:new|real|true|actual)\s+(?:system\s+)?instructions?\s*(?:are|is|:|follow)",
            (
                r"\b(?:takes?|has|have)\s+(?:absolute\s+|the\s+highest\s+|highest\s+|top\s+)?(?:precedence|priority)\s+over\s+"
                r"(?:all|any|every|other|previous|your|the\s+user|system)"
            ),
            r"\byou\s+are\s+(?:now|no\s+longer)\s+(?:a|an|in|bound|the)\b",
        ),
    ),
    (
        "secrecy",
        "It tells the model to hide something from people.",
        (
            (
                r"\b(?:do\s+not|don['’]?t|never|must\s+not|should\s+not|without|avoid)\s+(?:\w+\s+){0,2}"
                r"(?:tell(?:ing)?|inform(?:ing)?|mention(?:ing)?|reveal(?:ing)?|notify(?:ing)?|alert(?:ing)?|disclos(?:e|ing)|warn(?:ing)?|"
                r"let(?:ting)?|explain(?:ing)?|show(?:ing)?)\s+(?:(?:this|that|it|any|anything|about|of|the|to|these|your|actions?|details?|steps?|calls?|instructions?)\s+){0,5}"
                r"(?:users?\b(?!\s+(?:id|name|agent|interface|input|list|table|data|profile))|human|person\b)"
            ),
            r"\b(?:hide|conceal|keep)\s+(?:this|that|it|these|everything)\s+(?:secret\s+|hidden\s+)?from\s+(?:the\s+)?(?:users?|human)\b",
            r"\b(?:secretly|silently|covertly)\s+(?:\w+\s+)?(?:send|read|call|copy|forward|upload|include|append|run|execute|collect)\b",
        ),
    ),
    (
        "markup",
        "It is marked up as if it came from elsewhere than a tool.",
        (
            (
                r"</?\s*(?:important|system|secret|hidden|instructions?|admin|assistant|critical|sys|s?inst|system[-_ ]prompt"
                r"|user[-_ ]?message)\s*>"
            ),
            r"<\|\s*(?:im_start|im_end|system|assistant|user|endoftext|begin_of_text|start_header_id)\s*\|>",
            r"\[/?(?:INST|SYSTEM|SYS)\]",
            r"<!--",
            r"(?:^|\n)\s*#{1,6}\s*(?:system|hidden|secret)\s+(?:prompt|instructions?|message)",
        ),
    ),
    (
        "errands",
        "It gives the model something to do when other tools are used.",
        (
            (
                r"\b(?:before|after|when|whenever|prior\s+to)\s+(?:\w+\s+){0,2}(?:using|calling|invoking|running|executing|use|call|invoke)\s+"
                r"(?:any|every|all|each|another|other)\s+(?:other\s+)?tools?\b"
            ),
            r"\b(?:instead\s+of|rather\s+than)\s+(?:using|calling|invoking)\s+(?:the\s+)?(?:other|any|real|original|official|trusted)\b[^.\n]{0,30}\btools?\b",
            (
                r"\b(?:all|every)\s+(?:e-?mails?|messages?|payments?|transfers?|requests?)\s+(?:must|should|have\s+to|need\s+to)\s+"
                r"(?:also\s+)?(?:be\s+)?(?:sent|forwarded|copied|cc['’]?d|bcc['’]?d|routed|redirected)\b"
            ),
        ),
    ),
    (
        "secrets",
        "It speaks of places where secrets are kept.",
        (
            r"(?:~|\$HOME|/root|/home/\w+)/\.(?:ssh|aws|gnupg|kube|docker|netrc|npmrc|pypirc|cursor|claude|config/gh|bash_history|git-credentials)",
            r"\bid_(?:rsa|ed25519|ecdsa|dsa)\b",
            r"\.(?:aws/credentials|cursor/mcp\.json|kube/config|ssh/)",
            r"/etc/(?:passwd|shadow|sudoers)\b",
            (
                r"\b(?:read|open|cat|fetch|load|include|pass|send|copy|attach)\b[^.\n]{0,60}(?:mcp\.json|claude_desktop_config|\.env\b|private\s+keys?\b|"
                r"conversation\s+history|chat\s+history|system\s+prompt)"
            ),
        ),
    ),
    (
        "exfiltration",
        "It tells the model to send something elsewhere.",
        (
            (
                r"\b(?:send|forward|post|upload|exfiltrate|leak|transmit|bcc|copy)\b[^.\n]{0,80}\b"
                r"(?:conversation|chat\s+history|credentials?|secrets?|passwords?|api\s+keys?|tokens?|private\s+keys?|system\s+prompt|contents?)\b"
                r"[^.\n]{0,60}(?:https?://|[\w.+-]{1,64}@[\w-]{1,63}\.\w)"
            ),
            r"\bexfiltrat(?:e|ing|ion)\b",
            (
                r"\b(?:as|in|into|through|via)\s+(?:the|this|a)\s+[`'\"“]?(?:sidenote|side_note|notes?|feedback|metadata)[`'\"”]?\s+"
                r"(?:parameter|argument|field)[^.\n]{0,80}\b(?:or|otherwise|not\s+work|fail)"
            ),
        ),
    ),
    (
        "encoded",
        "It holds a long text that is encoded.",
        (r"(?<![A-Za-z0-9+/=_-])(?=[A-Za-z0-9+/_-]*[0-9])(?=[A-Za-z0-9+/_-]*[A-Z])(?=[A-Za-z0-9+/_-]*[a-z])[A-Za-z0-9+/_-]{160,}={0,2}",),
    ),
)
_PATTERNS = [
    (kind, sentence, re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)) for kind, sentence, patterns in _KINDS
]


_SPACE = re.compile(r"\s+")
WIDE, HIGH = 80, 15
"""So many blanks in a row, or line breaks, put what follows out of sight."""


def phrases_in(text: str) -> Iterator[tuple[str, str, str]]:
    """The kinds of phrases in a text: each a word, a sentence, and the words around the first of them."""
    if hidden := _after_a_blank(text):
        yield "blank", "A long blank space comes before more text, which hides it from a glance.", hidden
    # With one blank between words no pattern can go over the same ones again and again.
    text = _SPACE.sub(lambda space: "\n" if "\n" in space[0] else " ", text)
    for kind, sentence, pattern in _PATTERNS:
        if found := pattern.search(text):
            yield kind, sentence, around(text, found.start(), found.end())


def around(text: str, begin: int, end: int) -> str:
    """A part of a text with some of what stands before and after it."""
    return text[max(0, begin - BEFORE) : max(begin, min(end + AFTER, begin + EXCERPT - BEFORE))].strip()


def _after_a_blank(text: str) -> str:
    for space in _SPACE.finditer(text):
        if (len(space[0]) > WIDE or space[0].count("\n") > HIGH) and space.start() > 0 and space.end() < len(text):
            return text[space.end() : space.end() + EXCERPT]
    return ""
