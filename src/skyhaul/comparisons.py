"""What an attribute of a product has to be, as people write it: ``cloudCover<=20``, ``05.00..05.10``, ``04-01..06-30``. Pure.

Read like :mod:`skyhaul.values`: what cannot be used raises ``ValueError`` with the end of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import cast

from skyhaul.model import Attribute, Condition, Kind, Operator, Season, stamp
from skyhaul.values import NUMBER, figure, flag, instant, is_day, nearest, text, whole
from skyhaul.vocabulary import BASELINE, PROPERTIES, TYPES

_ATTRIBUTE = r"\s*(?P<name>[A-Za-z][\w:/]*?)(?::(?P<kind>String|Integer|Double|DateTimeOffset|Boolean))?"
_WHERE = re.compile(_ATTRIBUTE + r"\s*(?P<operator><=|>=|!=|==|=|<|>)(?!=)\s*(?P<value>.+?)\s*")
_IN = re.compile(_ATTRIBUTE + r"\s+in\s*\(\s*(?P<value>.+?)\s*\)\s*", re.IGNORECASE)
_RANGE = re.compile(_ATTRIBUTE + r"(?:\s+|\s*==?\s*|(?=\.\.))(?P<low>[^\s.]\S*?)?\s*\.\.\s*(?P<high>\S+)?\s*")
_COMPARED = re.compile(r"\s*(<=|>=|==|=|<|>)?(?!=)\s*(.+?)\s*")
_BASELINE = re.compile(r"N?(?:(\d{2})(\d{2})|(\d{1,3})(?:\.(\d{1,3}))?)", re.IGNORECASE)
_DATATAKE = re.compile(r"(0x)?([0-9A-F]{1,6})", re.IGNORECASE)
_GROUP = re.compile(r"GS2[A-D]_\d{8}T\d{6}_\d{6}_N\d{2}\.\d{2}")
_SEASON = re.compile(r"(\d{1,2})-(\d{1,2})\s*(?:\.\.|/)\s*(\d{1,2})-(\d{1,2})")
_OPERATORS: Mapping[str, Operator] = {
    "=": "eq",
    "==": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
}


def conditions(value: object) -> tuple[Condition, ...]:
    """What an attribute has to be: ``cloudCover<=20``, ``productType in (A, B)``, ``cloudCover 10..20`` with both ends included.

    Values get the type that the attribute has in the archive; quotes make one text whatever it looks like. The type of an attribute that is
    not known here may follow its name: ``newCover:Double>=5``. A day as the end of a range includes that day.
    """
    written = text(value)
    if found := _IN.fullmatch(written):
        name, kind = _attribute(found)
        pieces = [piece.strip() for piece in found["value"].split(",")]
        chosen = tuple(dict.fromkeys(_typed(name, kind, piece) for piece in pieces if piece))
        return (Condition(attribute=name, operator="in", value=chosen, kind=kind),)
    if (found := _RANGE.fullmatch(written)) and (_ordered(*_attribute(found)) or "=" not in written):
        return _range(found, written)
    if found := _WHERE.fullmatch(written):
        return (_compared(found, written),)
    raise ValueError(
        f"{value!r} is not a condition: write attribute, one of = != < <= > >=, value: cloudCover<=20; "
        "or cloudCover 10..20, or productType in (A, B)"
    )


def baseline(value: object) -> tuple[Condition, ...]:
    """A processing baseline, compared as a number: ``05.10`` (or ``N0510``), ``>=05.00``, ``04.00..05.09``."""
    written = text(str(value)) if isinstance(value, int | float) else text(value)
    low, dots, high = written.partition("..")
    if dots:
        ends: list[tuple[Operator, str]] = [("ge", low), ("le", high)]
        return tuple(_of_baseline(operator, end) for operator, end in ends if end.strip())
    found = _COMPARED.fullmatch(written)
    return (_of_baseline(_OPERATORS[found[1] or "="] if found else "eq", found[2] if found else written),)


def datatake(value: object) -> Condition:
    """The datatake: Sentinel-1's as its names have it (``0697DA``) or in decimal (``432090``), or Sentinel-2's ``GS2A_…_N05.10``."""
    written = text(str(value)) if isinstance(value, int) else text(value)
    if _GROUP.fullmatch(written.upper()):
        return Condition(attribute="productGroupId", operator="eq", value=written.upper())
    found = _DATATAKE.fullmatch(written)
    if found is None:
        raise ValueError(f"{written!r} is not a datatake such as 0697DA or GS2A_20240407T101031_045923_N05.10")
    # In names they have six digits; no mission has come far enough for the first to be another one than 0.
    hexadecimal = bool(found[1]) or found[2].startswith("0") or not found[2].isdecimal()
    return Condition(attribute="datatakeID", operator="eq", value=int(found[2], 16 if hexadecimal else 10))


def season(value: object) -> Season:
    """Days of any year, ``04-01..06-30``, both included; ``11-15..02-28`` goes across New Year."""
    written = text(value)
    found = _SEASON.fullmatch(written)
    month, day, last_month, last_day = map(int, found.groups()) if found else (0, 0, 0, 0)
    try:
        for each in ((month, day), (last_month, last_day)):
            date(2024, *each)  # a leap year: February 29 is a day of the year
    except ValueError:
        raise ValueError(f"{written!r} is not a season: write month-day..month-day, such as 04-01..06-30") from None
    return Season(first=(month, day), last=(last_month, last_day))


def _attribute(found: re.Match[str]) -> tuple[str, Kind | None]:
    """The attribute of a condition, and its type where only the condition says it."""
    name, kind = found["name"], cast("Kind | None", found["kind"])
    if name in TYPES or name in PROPERTIES:
        known = TYPES.get(name) or PROPERTIES[name]
        if kind not in {None, known}:
            raise ValueError(f"the attribute {name!r} is of type {known}, not {kind}")
        return name, None
    if kind is None and (near := nearest(name, (*TYPES, *PROPERTIES), cutoff=0.85)):
        # CDSE OData: an attribute that does not exist is no error, it matches nothing.
        raise ValueError(f"the attribute {name!r} is unknown; did you mean {' or '.join(near)}?")
    return name, kind


def _kind(name: str, kind: Kind | None) -> Kind | None:
    return kind or TYPES.get(name) or PROPERTIES.get(name)


def _ordered(name: str, kind: Kind | None) -> bool:
    """Whether values of the attribute come before and after each other."""
    return name == BASELINE or _kind(name, kind) not in {"String", "Boolean"}


def _compared(found: re.Match[str], written: str) -> Condition:
    name, kind = _attribute(found)
    operator = _OPERATORS[found["operator"]]
    value = _typed(name, kind, found["value"])
    if operator not in {"eq", "ne"} and isinstance(value, str) and not _comparable(name, kind):
        raise ValueError(f"{written!r} compares text by {found['operator']}; archives compare text by = and != alone")
    return Condition(attribute=name, operator=operator, value=value, kind=kind)


def _comparable(name: str, kind: Kind | None) -> bool:
    return name == BASELINE or _kind(name, kind) == "DateTimeOffset"


def _range(found: re.Match[str], written: str) -> tuple[Condition, ...]:
    name, kind = _attribute(found)
    low, high = (found[end] and _typed(name, kind, found[end]) for end in ("low", "high"))
    if any(isinstance(end, str) for end in (low, high)) and not _comparable(name, kind):
        raise ValueError(f"{written!r} is a range of text, which has no order")
    if low is None and high is None:
        raise ValueError(f"{written!r} has neither a first nor a last value")
    if low is not None and high is not None and _reversed(name, low, high):
        raise ValueError(f"{written!r}: {low} is above {high}, nothing lies between them")
    last: Operator = "le"
    if high is not None and _kind(name, kind) == "DateTimeOffset" and is_day(found["high"]):
        last, high = "lt", stamp(instant(found["high"], datetime.now(UTC), is_end=True))
    ends: list[tuple[Operator, Attribute | None]] = [("ge", low), (last, high)]
    return tuple(
        Condition(attribute=name, operator=operator, value=end, kind=kind) for operator, end in ends if end is not None
    )


def _reversed(name: str, low: Attribute, high: Attribute) -> bool:
    if name == BASELINE:
        return float(low) > float(high)
    if isinstance(low, str) or isinstance(high, str):
        return str(low) > str(high)  # times, all in one spelling
    return low > high


def _of_baseline(operator: Operator, written: str) -> Condition:
    return Condition(attribute=BASELINE, operator=operator, value=_number_of_baseline(written.strip()))


def _number_of_baseline(written: str) -> str:
    """As archives write it: ``05.10``, whatever became of its zeros (5.1 as a number is 05.10, and 05.01 would be 5.01)."""
    found = _BASELINE.fullmatch(written)
    if found is None:
        raise ValueError(f"{written!r} is not a processing baseline such as 05.10")
    whole_, part, major, minor = found.groups()
    if whole_:
        return f"{whole_}.{part}"
    if minor is None:
        return str(major)
    return f"{major:>02s}.{minor:<02s}"


def _typed(attribute: str, kind: Kind | None, written: str) -> Attribute:
    if len(written) > 1 and written[0] == written[-1] and written[0] in "'\"":
        return written[1:-1]
    if attribute == BASELINE and _BASELINE.fullmatch(written):
        return _number_of_baseline(written)
    known = _kind(attribute, kind)
    return (_READERS[known] if known else _guessed)(written)


def _guessed(written: str) -> Attribute:
    if written.lower() in {"true", "false"}:
        return written.lower() == "true"
    if found := NUMBER.fullmatch(written):
        return float(written) if found[1] or found[2] else int(written)
    return written


def _instant(written: str) -> str:
    return stamp(instant(written, datetime.now(UTC)))


_READERS: Mapping[Kind, Callable[[str], Attribute]] = {
    "String": str,
    "DateTimeOffset": _instant,
    "Boolean": flag,
    "Integer": whole(low=-(2**31), high=2**31),
    "Double": figure,
}
