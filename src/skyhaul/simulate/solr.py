"""The query language of DHuS OpenSearch: Solr's text in, the tree of the OData filters out.

``AND`` stands between terms or nothing does, ``OR`` and ``NOT`` are words, ranges are closed, names may hold ``*`` and ``?``.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from skyhaul.simulate.filters import (
    AllOf,
    AnyOf,
    AttributeIs,
    Compare,
    FilterError,
    In,
    Intersects,
    Not,
    Text,
    moment,
    shape_from,
)
from skyhaul.simulate.selection import COLLECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from skyhaul.simulate.filters import Condition, Operand

EVERYTHING = AllOf(())
NOTHING = In("Name", ())
SUFFIXES = (".SAFE", ".SEN3", ".nc", ".EOF")
TOKEN = re.compile(
    r"""\s*(?:(?P<field>[A-Za-z]+):|(?P<range>\[(?P<low>"[^"]*"|[^\s"\]]+)\s+TO\s+(?P<high>"[^"]*"|[^\s"\]]+)\])"""
    r"""|"(?P<quoted>[^"]*)"|(?P<open>\()|(?P<close>\))|(?P<word>[^\s()"\[\]]+))"""
)
MATHS = re.compile(r"(?P<base>NOW|[\d:T.Z-]*?)(?P<steps>(?:[+-]\d+(?:MINUTE|HOUR|DAY|MONTH|YEAR)S?)*)")
STEP = re.compile(r"([+-]\d+)(MINUTE|HOUR|DAY|MONTH|YEAR)")
UNITS = {
    "MINUTE": dt.timedelta(minutes=1),
    "HOUR": dt.timedelta(hours=1),
    "DAY": dt.timedelta(days=1),
    "MONTH": dt.timedelta(days=30),
    "YEAR": dt.timedelta(days=365),
}
# DHuS stores milliseconds: what lies within the last one of a range belongs to it.
WITHIN = dt.timedelta(microseconds=999)
INTERSECTS = re.compile(r"\s*Intersects\s*\((?P<shape>.*)\)\s*", re.DOTALL | re.IGNORECASE)

TIMES = {"beginposition": "ContentDate/Start", "endposition": "ContentDate/End", "ingestiondate": "PublicationDate"}
NUMBERS = {
    "cloudcoverpercentage": "cloudCover",
    "orbitnumber": "orbitNumber",
    "relativeorbitnumber": "relativeOrbitNumber",
    "slicenumber": "sliceNumber",
}
TEXTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "producttype": ("productType", str),
    "orbitdirection": ("orbitDirection", str.upper),
    "polarisationmode": ("polarisationChannels", lambda text: "&".join(re.findall("[HV]{2}", text))),
    "sensoroperationalmode": ("operationalMode", str),
    "tileid": ("tileId", str),
    "timeliness": ("timeliness", str),
    "instrumentshortname": ("instrumentShortName", str),
    "platformserialidentifier": ("platformSerialIdentifier", lambda text: text[-1:]),
}


class Bounds(NamedTuple):
    """A closed range; ``*`` is open."""

    low: str
    high: str


def parse(text: str, now: dt.datetime) -> Condition:
    """The tree of a query.

    Raises:
        FilterError: an unknown field, a value that cannot be read, or no such language.
    """
    parser = _Parser(text, now)
    return parser.whole()


class _Parser:
    def __init__(self, text: str, now: dt.datetime) -> None:
        self._text = text
        self._now = now
        self._at = 0

    def whole(self) -> Condition:
        found = self._either()
        if self._text[self._at :].strip():
            raise FilterError(f"Cannot parse '{self._text}'")
        return found

    def _either(self) -> Condition:
        terms = [self._both()]
        while self._word("OR"):
            terms.append(self._both())
        return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))

    def _both(self) -> Condition:
        terms = [self._term()]
        while self._word("AND") or not self._ends():
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def _term(self) -> Condition:
        if self._word("NOT"):
            return Not(self._term())
        token = self._next()
        if token["open"]:
            inner = self._either()
            self._close()
            return inner
        if token["field"]:
            return self._field(token["field"].lower())
        word = token["word"] or token["quoted"]
        if word is None:
            raise FilterError(f"Cannot parse '{self._text}'")
        return EVERYTHING if word == "*" else Text("contains", "Name", word)

    def _field(self, name: str) -> Condition:
        make = partial(_condition, name, self._now)
        token = self._next()
        if token["range"]:
            return make(Bounds(token["low"].strip('"'), token["high"].strip('"')))
        if token["open"]:
            terms = [make(self._value())]
            while self._word("OR"):
                terms.append(make(self._value()))
            self._close()
            return AnyOf(tuple(terms))
        return make(_said(token, self._text))

    def _value(self) -> str:
        return _said(self._next(), self._text)

    def _ends(self) -> bool:
        rest = self._text[self._at :].strip()
        return not rest or rest.startswith(")") or re.match(r"OR\b", rest) is not None

    def _close(self) -> None:
        if not self._next()["close"]:
            raise FilterError(f"Cannot parse '{self._text}'")

    def _word(self, word: str) -> bool:
        found = re.compile(rf"\s*{word}(?=[\s(])").match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found is not None

    def _next(self) -> re.Match[str]:
        found = TOKEN.match(self._text, self._at)
        if found is None:
            raise FilterError(f"Cannot parse '{self._text}'")
        self._at = found.end()
        return found


def _said(token: re.Match[str], text: str) -> str:
    said: str | None = token["word"] if token["word"] is not None else token["quoted"]
    if said is None:
        raise FilterError(f"Cannot parse '{text}'")
    return said


def _condition(name: str, now: dt.datetime, value: str | Bounds) -> Condition:
    if name in TIMES or name in NUMBERS:
        bounds = value if isinstance(value, Bounds) else Bounds(value, value)
        if name in TIMES:
            return _between(partial(Compare, TIMES[name]), bounds, partial(_moment, now=now), WITHIN)
        return _between(partial(AttributeIs, NUMBERS[name], frozenset()), bounds, _number, 0)
    if isinstance(value, Bounds):
        raise FilterError(f"{name}: no range")
    return _worded(name, value)


def _worded(name: str, value: str) -> Condition:
    match name:
        case "footprint":
            return _footprint(value)
        case "platformname":
            wanted = value.upper().replace(" PRECURSOR", "P")
            return Compare("Collection/Name", "eq", wanted) if wanted in COLLECTIONS else NOTHING
        case "uuid":
            return In("Id", (value,))
        case "identifier":
            return AnyOf(tuple(_named(value + suffix) for suffix in ("", *SUFFIXES)))
        case "filename":
            return _named(value)
        case _ if name in TEXTS:
            attribute, worded = TEXTS[name]
            return AttributeIs(attribute, frozenset(), "eq", worded(value))
        case _:
            raise FilterError(f"undefined field {name}")


def _between(make: Callable[..., Condition], bounds: Bounds, read: Callable[[str], Operand], more: object) -> Condition:
    low, high = bounds
    terms = [] if low == "*" else [make("ge", read(low))]
    if high != "*":
        terms.append(make("le", read(high) + more))  # type: ignore[operator] # a time and a span, or two numbers
    return AllOf(tuple(terms))


def _named(pattern: str) -> Condition:
    return Text("like", "Name", pattern) if set(pattern) & {"*", "?"} else In("Name", (pattern,))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise FilterError(f"Invalid Number: {text}") from error


def _moment(text: str, now: dt.datetime) -> dt.datetime:
    found = MATHS.fullmatch(text)
    if found is None or not found["base"]:
        raise FilterError(f"Invalid Date String:'{text}'")
    at = now if found["base"] == "NOW" else moment(found["base"])
    return at + sum((int(count) * UNITS[unit] for count, unit in STEP.findall(found["steps"])), dt.timedelta())


def _footprint(text: str) -> Condition:
    found = INTERSECTS.fullmatch(text)
    if found is None:
        raise FilterError(f"footprint: cannot read {text}")
    return Intersects(shape_from(f"SRID=4326;{found['shape'].strip()}"))
