"""Times as the simulated archive writes and reads them: whole microseconds since 1970, in UTC."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
NEVER_US = 253_402_300_799_999_999  # the last microsecond of the year 9999


def to_us(at: dt.datetime) -> int:
    """An aware time in microseconds since 1970."""
    return (at - EPOCH) // dt.timedelta(microseconds=1)


def from_us(at_us: int) -> dt.datetime:
    """The aware time of microseconds since 1970."""
    return EPOCH + dt.timedelta(microseconds=at_us)


@lru_cache(maxsize=4096)
def date_path(day: int) -> str:
    """A day since 1970 as keys have it: ``2024/07/15``."""
    return f"{from_us(day * DAY_US):%Y/%m/%d}"


@lru_cache(maxsize=4096)
def _date(day: int, separator: str) -> str:
    return date_path(day).replace("/", separator)


@lru_cache(maxsize=86_400)
def _clock(second: int, separator: str) -> str:
    return separator.join((f"{second // 3600:02}", f"{second // 60 % 60:02}", f"{second % 60:02}"))


def stamp(at_us: int) -> str:
    """As product names have it, to the second: ``20240715T101031``."""
    day, second = divmod(at_us // SECOND_US, 86_400)
    return f"{_date(day, '')}T{_clock(second, '')}"


def iso(at_us: int) -> str:
    """As the catalogue has it since September 2024, with six decimals: ``2024-07-15T10:10:31.024000Z``."""
    seconds, micro = divmod(at_us, SECOND_US)
    day, second = divmod(seconds, 86_400)
    return f"{_date(day, '-')}T{_clock(second, ':')}.{micro:06}Z"


def iso_ms(at_us: int) -> str:
    """As archives that keep milliseconds have it, without the zeros at the end: ``2024-07-15T10:10:31.02Z``."""
    seconds, milli = divmod(at_us // 1000, 1000)
    return f"{iso_second(seconds)[:-1]}" + (f".{milli:03}".rstrip("0") if milli else "") + "Z"


def iso_second(seconds: int) -> str:
    """Seconds since 1970 without decimals: ``2024-07-15T10:10:31Z``."""
    day, second = divmod(seconds, 86_400)
    return f"{_date(day, '-')}T{_clock(second, ':')}Z"


def scramble(number: int) -> int:
    """A fixed, well-mixed 64-bit value of ``number`` (the finaliser of SplitMix64)."""
    number = (number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    number = (number ^ number >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return number ^ number >> 31
