"""Secrets taken out of text that is shown or kept: those that are known, and what looks like one in addresses and headers (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

HIDDEN = "***"
SHORTEST = 4
"""Characters from which on a known secret is looked for: shorter ones are parts of words."""

_NAMES = r"[\w-]*(?:token|password|passwd|secret|credential|signature|key|key-?id|key-pair-id)|sig|policy|pwd|X-(?:Amz|Goog)-[A-Za-z-]+"
_IN_QUERY = re.compile(rf"([?&](?:{_NAMES})=)[^&\s'\"<>]+", re.IGNORECASE)
_SIGNED = re.compile(r"\b((?:Credential|Signature)=)[^\s,&'\"<>]+")
_SHOWN = re.compile(r"(\bBearer |\bAuthorization: *\w+ )[^&\s'\"<>]+", re.IGNORECASE)
_USER = re.compile(r"(\w://|^|(?<=[\s'\"]))[^\s/'\"]*:[^\s/'\"]*@")
_ALONE = re.compile(r"(\w://)[^\s/'\"]*@")
_JWT = re.compile(r"\beyJ[\w-]{6,}\.[\w-]+(?:\.[\w-]*)?")


def without_secrets(text: str) -> str:
    """The text with tokens, passwords and signatures blotted out, as they stand in URLs and headers."""
    for pattern in (_IN_QUERY, _SIGNED, _SHOWN):
        text = pattern.sub(rf"\1{HIDDEN}", text)
    for pattern in (_USER, _ALONE):
        text = pattern.sub(rf"\1{HIDDEN}@", text)
    return _JWT.sub(HIDDEN, text)


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every one of ``secrets`` replaced, also where it is percent-encoded."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST:
            for form in (secret, quote(secret, safe=""), quote_plus(secret)):
                text = text.replace(form, HIDDEN)
    return text
