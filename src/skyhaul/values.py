"""Text that people write, turned into values: times, sizes, spans, choices. Pure.

What cannot be used raises ``ValueError`` with the end of a sentence; whoever knows where the text came from puts that in front. A value
that already has its type (from a TOML file or from Python) is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from ipaddress import ip_address
from math import isfinite
from urllib.parse import urlsplit
from uuid import UUID

from skyhaul.discreet import without_secrets
from skyhaul.vocabulary import retired

FIRST_YEAR = 1972  # Landsat 1, the oldest mission of these archives
AHEAD = timedelta(days=366)

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([mhdw])")
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}")
_ISO_TIME = re.compile(r"(?:\d{4}-\d{2}-\d{2}|\d{8})[T ].+")
_YEAR_LAST = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})")
_YEAR_FIRST = re.compile(r"(\d{4})[./-](\d{1,2})[./-](\d{1,2})")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgtp])(i?))?b?(?:/s)?", re.IGNORECASE)
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:d|h|min|m|s)\s*)+")
_SPAN_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)")
_TILE = re.compile(r"T?(\d{2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])")
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")

_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_CHANNELS = ("HH", "HV", "VV", "VH")
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def text(value: object) -> str:
    """The text, without blanks around it."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")  # noqa: TRY004 every unusable value is the same error
    if not value.strip():
        raise ValueError("the value is empty")
    return value.strip()


def whole(low: int = 1, high: int | None = None) -> Callable[[object], int]:
    """Read a whole number from ``low`` to ``high``, both included."""

    def read(value: object) -> int:
        number = figure(value)
        if number != int(number) or number < low or (high is not None and number > high):
            bounds = f"of {low} or more" if high is None else f"from {low} to {high}"
            raise ValueError(f"{value} is not a whole number {bounds}")
        return int(number)

    return read


def between(low: float, high: float) -> Callable[[object], float]:
    """Read a number from ``low`` to ``high``, both included."""

    def read(value: object) -> float:
        number = figure(value)
        if not low <= number <= high:
            raise ValueError(f"{value} is not between {low:g} and {high:g}")
        return number

    return read


def flag(value: object) -> bool:
    """Yes or no."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _TRUTH:
        return _TRUTH[value.strip().lower()]
    raise ValueError(f"{value!r} is neither true nor false")


def one_of(*choices: str) -> Callable[[object], str]:
    """Read one of ``choices``, in whatever case it is written."""

    def read(value: object) -> str:
        written = text(value)
        for choice in choices:
            if choice.lower() == written.lower():
                return choice
        raise ValueError(f"{written!r} is unknown; {meant(written, choices)}")

    return read


def meant(written: str, choices: Iterable[str]) -> str:
    """The end of a sentence that offers the nearest of ``choices``, or all of them where none is near."""
    known = list(choices)
    if near := nearest(written, known):
        return "did you mean " + " or ".join(near) + "?"
    return "known are " + ", ".join(known)


def nearest(written: str, choices: Iterable[str], *, cutoff: float = 0.6) -> list[str]:
    """Up to three of ``choices`` that look like ``written``, the best first; case, blanks and dashes do not matter."""
    plain = {_plain(choice): choice for choice in choices}
    same = plain.get(_plain(written))
    return [same] if same else [plain[name] for name in get_close_matches(_plain(written), plain, n=3, cutoff=cutoff)]


def moment(value: object, *, now: datetime, is_end: bool = False) -> datetime:
    """A point in time, UTC. A day stands for its first moment, as an end for the first moment of the next day; ``30d`` is that long ago."""
    try:
        found = instant(value, now, is_end=is_end)
    except OverflowError:
        raise ValueError(f"{value} is beyond the calendar") from None
    if found.year < FIRST_YEAR:
        raise ValueError(f"{value} is before {FIRST_YEAR}, when the first of these missions was launched")
    if found > now + AHEAD:
        raise ValueError(f"{value} is more than a year ahead: is the year right?")
    return found


def is_day(written: str) -> bool:
    """Whether a text means a whole day."""
    return _ISO_DAY.fullmatch(written.strip()) is not None


def size(value: object) -> int:
    """Bytes, from ``50MB`` (decimal), ``1.5GiB`` (binary) or a plain number; a rate may end in ``/s``."""
    if isinstance(value, str) and (found := _SIZE.fullmatch(value.strip())):
        number, prefix, binary = found.groups()
        base = 1024 if binary else 1000
        count = float(number) * float(base ** (" kmgtp".index(prefix.lower()) if prefix else 0))
    elif isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        count = value
    else:
        raise ValueError(f"{value!r} is not a size: write 50MB, 1.5GiB or a number of bytes")
    if count < 1:
        raise ValueError(f"{value} is less than a byte")
    return round(count)


def span_s(value: object) -> float:
    """Seconds, from ``90s``, ``2h``, ``1h30m`` or a plain number."""
    if isinstance(value, str) and _SPAN.fullmatch(value.strip()):
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in _SPAN_PART.findall(value))
    else:
        try:
            seconds = figure(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a span of time: write 90s, 45min, 2h or 1h30m") from None
    if seconds <= 0:
        raise ValueError(f"{value} is no time at all")
    return seconds


def tile(value: object) -> str:
    """An MGRS tile as archives store it, ``31TCL``; the T that product names put in front is dropped."""
    # CDSE OData: tileId with the leading T matches nothing, silently.
    found = _TILE.fullmatch(text(value).upper())
    if found is None:
        raise ValueError(f"{value!r} is not an MGRS tile such as 31TCL")
    return found[1]


def polarisation(value: object) -> str:
    """Channels as CDSE joins them, ``VV&VH``, from any of ``VV,VH``, ``vv+vh``, ``VV VH``."""
    channels = re.split(r"[\s,&+/]+", text(value).upper())
    if not 1 <= len(channels) <= 2 or any(channel not in _CHANNELS for channel in channels):  # noqa: PLR2004 SAR channels come singly or in pairs
        raise ValueError(f"{value!r} is not a polarisation: VV, VH, HH, HV, or two of them as VV,VH")
    return "&".join(channels)


def product_id(value: object) -> str:
    """A product's id in the archive, a UUID."""
    written = text(value)
    try:
        return str(UUID(written))
    except ValueError:
        raise ValueError(f"{written!r} is not a product id such as a5b6cf23-37d4-4caa-b41c-0ebb7b786d4f") from None


def any_id(value: object) -> str:
    """A product's id in an archive that may have others than UUIDs, which are written in one way."""
    try:
        return product_id(value)
    except ValueError:
        return text(value)


def url(value: object) -> str:
    """An address to send requests to, without the last slash: https, or plain http on this machine alone."""
    written = text(value).rstrip("/")
    try:
        parts = urlsplit(written)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{without_secrets(written)!r} is not a URL ({error})") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError(f"{without_secrets(written)!r} is not a URL: write https://host/path")
    if parts.username or parts.password:
        raise ValueError(f"the URL of {host} holds credentials; give them in the environment, see 'skyhaul auth check'")
    if parts.query or parts.fragment:
        raise ValueError(
            f"{without_secrets(written)!r} has a query or a fragment; only https://host/path is meant here"
        )
    if fate := retired(written):
        raise ValueError(fate)
    if parts.scheme == "http" and not _loopback(host):
        raise ValueError(
            f"{without_secrets(written)!r} would send credentials unprotected; write https:// (http is for this machine alone)"
        )
    return written


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


def figure(value: object) -> float:
    """A number that is finite, from itself or from text."""
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return float(value)
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        return float(value)
    raise ValueError(f"{value!r} is not a number")


def instant(value: object, now: datetime, *, is_end: bool = False) -> datetime:
    """A point in time like :func:`moment`, of whatever year."""
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, date):
        return datetime.combine(value + timedelta(days=is_end), time(), UTC)
    written = text(value)
    if found := _AGO.fullmatch(written):
        return now - timedelta(seconds=float(found[1]) * _SECONDS[found[2]])
    try:
        if _ISO_DAY.fullmatch(written):
            return instant(date.fromisoformat(written), now, is_end=is_end)
        if _ISO_TIME.fullmatch(written):
            return _utc(datetime.fromisoformat(written))
    except ValueError:
        raise ValueError(_calendar(written)) from None
    raise ValueError(_calendar(written))


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _calendar(written: str) -> str:
    """Why ``written`` is no date, with the dates it may have meant."""
    if found := _YEAR_LAST.fullmatch(written):
        one, other, year = found.groups()
        readings = [_day(year, other, one), _day(year, one, other)]
    elif found := _YEAR_FIRST.fullmatch(written):
        year, one, other = found.groups()
        readings = [_day(year, one, other), _day(year, other, one)]
    else:
        readings = []
    if likely := list(dict.fromkeys(reading for reading in readings if reading)):
        return f"{written!r} is not a date written year-month-day: did you mean {' or '.join(likely)}?"
    return f"{written!r} is not a date: write 2024-04-01, 2024-04-01T10:30Z, or 30d for 30 days ago"


def _day(year: str, month: str, day: str) -> str | None:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None
