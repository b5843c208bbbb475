"""Figures and names as people read them. Every text that came from outside goes through :func:`clean` before it is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

TIMES = "\N{MULTIPLICATION SIGN}"
_THOUSAND = 1000
_EXACT_S = 9.95
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def clean(text: str) -> str:
    """``text`` without what a terminal takes for more than a letter: control, format and bidirectional characters, line ends."""
    if text.isprintable():
        return text
    return "".join(_plain(character) for character in text)


def _plain(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "?"


def bytes_text(count: float) -> str:
    """A decimal size of at most eight characters: ``812.4 GB``, ``20.0 kB``, ``17 B``."""
    value, unit = float(count), 0
    while round(value, 1) >= _THOUSAND and unit < len(_UNITS) - 1:  # 999.96 would be printed as 1000.0
        value, unit = value / _THOUSAND, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{value:.0f} B"


def short_bytes_text(count: float) -> str:
    """A size as a limit is named: no decimal where it is zero: ``20 MB``, ``1.9 TB``."""
    number, unit = bytes_text(count).split(" ")
    return f"{number.removesuffix('.0')} {unit}"


def rate_text(bytes_per_s: float) -> str:
    """A rate of at most ten characters: ``76.8 MB/s``."""
    return f"{bytes_text(bytes_per_s)}/s"


def short_rate_text(bytes_per_s: float) -> str:
    """A rate as a limit is named: ``20 MB/s``."""
    return f"{short_bytes_text(bytes_per_s)}/s"


def count_text(count: int) -> str:
    """A number with its thousands apart: ``1 204``."""
    return f"{count:,}".replace(",", " ")


def percent_text(fraction: float) -> str:
    """A share of at most five characters, rounded down so that 100 % means all: ``7 %``."""
    return f"{min(math.floor(fraction * 100 + 1e-9), 999)} %"


def clock_text(seconds: float) -> str:
    """A running time: ``00:11``, ``12:41``, ``3:12:41``, ``2 d 03:12``."""
    whole = max(0, int(seconds))
    days, rest = divmod(whole, _DAY_S)
    hours, rest = divmod(rest, _HOUR_S)
    minutes, left = divmod(rest, _MINUTE_S)
    if days:
        return f"{days} d {hours:02d}:{minutes:02d}"
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes:02d}:{left:02d}"


def span_text(seconds: float) -> str:
    """A length of time inside a sentence: ``92 ms``, ``1.4 s``, ``24 s``, ``3 min``, ``2 h 41 min``, ``3 d 4 h``."""
    if seconds < _EXACT_S:
        return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"


def moment_text(at_s: float, now_s: float) -> str:
    """The local time of ``at_s``; with its date where that is not the date of ``now_s``: ``17:10``, ``14 Jul 17:10``."""
    at, now = _local(at_s), _local(now_s)
    return at.strftime("%H:%M") if at.date() == now.date() else at.strftime("%d %b %H:%M").lstrip("0")


def second_text(at_s: float) -> str:
    """The local time of ``at_s`` to the second: ``14:02:11``."""
    return _local(at_s).strftime("%H:%M:%S")


def date_text(at_s: float) -> str:
    """The local date of ``at_s``: ``2024-07-13``."""
    return _local(at_s).strftime("%Y-%m-%d")


def tally_text(counts: Mapping[str, int]) -> str:
    """Kinds and how often each, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "   ".join(f"{kind} {TIMES}{count_text(count)}" for kind, count in ranked)


def _local(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, tz=UTC).astimezone()
