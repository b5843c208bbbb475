"""What a host means by its answer: statuses and error bodies turned into our errors (pure)."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec

from skyhaul.archives import Account
from skyhaul.discreet import redact, without_secrets
from skyhaul.errors import (
    AccessDenied,
    HostBusy,
    LoginRefused,
    ObjectChanged,
    ObjectMissing,
    ObjectOffline,
    RemoteError,
    RequestRefused,
    TokenRefused,
)

_TAG = re.compile(r"<(?:style|script).*?</(?:style|script)>|<[^>]+>", re.DOTALL | re.IGNORECASE)
_XML_FIELD = re.compile(r"<(Code|Message)>([^<]*)</\1>")
SAID_MAX = 300
KEYS_REFUSED = ("InvalidAccessKeyId", "SignatureDoesNotMatch")
IN_MILLISECONDS = "RATE_LIMIT_EXCEEDED"
"""Says who writes ``Retry-After`` in milliseconds: Sentinel Hub, its STAC catalogue too."""

BUSY = frozenset({408, 413, 425, 429, 500, 502, 503, 504})
KINDS: Mapping[int, Callable[[str], RemoteError]] = {
    202: ObjectOffline,
    401: AccessDenied,
    403: AccessDenied,
    404: ObjectMissing,
    410: ObjectMissing,
    412: ObjectChanged,
    416: ObjectChanged,
}


def error_of(
    status: int,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    shown: Account | None = None,
    secrets: Sequence[str] = (),
) -> RemoteError:
    """The error that an unsuccessful answer stands for.

    ``shown`` is whose keys went along with the request, where some did. Of ``secrets`` nothing is told again: some hosts repeat what they
    were told.
    """
    host = urlsplit(url).hostname or "the host"
    # A DHuS tells the cause in a header; its body is a page of the servlet container.
    said = _tidy(headers.get("cause-message", ""), secrets) or says(body, secrets)
    message = f"{host} answered {status}" + (f": {said}" if said else "")
    busy = status in BUSY or (status == HTTPStatus.FORBIDDEN and ("SlowDown" in said or "concurrent flows" in said))
    if busy:
        wait_s = retry_after_s(headers, unit_s=0.001 if IN_MILLISECONDS in said else 1.0)
        return HostBusy(message, status=status, retry_after_s=wait_s)
    if (
        status == HTTPStatus.UNAUTHORIZED and "DAT-ZIP-609" not in said
    ):  # 609: a token of the wrong kind, another is no better
        return TokenRefused(message + (_check_own(shown) if shown is not None else ""))
    # A signature within a URL is none of ours: a list may hold many such, of many hosts.
    if shown is not None and shown.s3 and any(code in said for code in KEYS_REFUSED):
        return LoginRefused(
            f"{message}: check {_variables(shown, 's3_access_key', 's3_secret_key')} (new keys take up to a minute to work; they are made "
            f"at {shown.keys_at})"
        )
    if "RequestTimeTooSkewed" in said:
        return LoginRefused(f"{message}: set this machine's clock")
    return KINDS.get(status, partial(RequestRefused, status=status))(message)


def _check_own(account: Account) -> str:
    """What to look at where an archive does not take the login or key that it was shown with the request itself."""
    match account.way:
        case "basic":
            return f": check {_variables(account, 'username', 'password')}"
        case "header":
            return f": check {_variables(account, 'api_key')}"
        case _:
            return ""


def _variables(account: Account, *names: str) -> str:
    return " and ".join(map(account.variable, names))


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None, *, unit_s: float = 1.0) -> float | None:
    """How long the host wants to be left alone: ``Retry-After`` as a number of ``unit_s`` or as a date; never more than an hour."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        wait_s = float(text) * unit_s if re.fullmatch(r"[0-9.]+", text) else _until(parsedate_to_datetime(text), now)
    except ValueError:
        return None
    return min(max(wait_s, 0.0), 3600.0)


def _until(moment: datetime, now: datetime | None) -> float:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - (now or datetime.now(UTC))).total_seconds()


def says(body: bytes, secrets: Sequence[str] = ()) -> str:
    """What an error body says, in one line fit for a person: JSON, XML, HTML or text."""
    text = body.decode("utf-8", "replace").strip()
    return _tidy(_json_says(text) or _xml_says(text) or _TAG.sub(" ", text), secrets)


def _tidy(text: str, secrets: Sequence[str]) -> str:
    plain = "".join(character if character.isprintable() else " " for character in html.unescape(text))
    short = " ".join(without_secrets(redact(plain, secrets)).split())
    return short if len(short) <= SAID_MAX else short[: SAID_MAX - 1] + "…"


def _json_says(text: str) -> str:
    try:
        return _flat(msgspec.json.decode(text.encode()))
    except (msgspec.DecodeError, RecursionError):
        return ""


def _flat(value: object) -> str:
    match value:
        case str():
            return value
        case list():
            return "; ".join(filter(None, map(_flat, value)))
        case dict():
            keys = ("code", "error", "error_description", "reason", "message", "msg", "detail", "ErrorMessage", "input")
            return " ".join(filter(None, (_flat(value[key]) for key in keys if key in value)))
        case _:
            return ""


def _xml_says(text: str) -> str:
    return " ".join(found for _, found in _XML_FIELD.findall(text)) if text.startswith("<") else ""
