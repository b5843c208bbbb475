"""Comparisons of a product's property with a value, whatever the types of both (pure).

A catalogue may keep as text what another keeps as a number. So two values compare as truths where one is a truth, as numbers where one is a
number and the other says one, as moments where both are moments, else as text: by code point, except that two texts that both are
numbers are put in order as numbers. Values that cannot be compared fulfil no comparison, ``ne`` aside.
"""

from __future__ import annotations

import operator as operators
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isnan
from typing import Any, Literal, get_args

from skyhaul.model import Product
from skyhaul.select.facts import Value, instant, number, value
from skyhaul.values import meant

Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge", "in", "contains", "startswith", "endswith"]
COMPARISONS: tuple[str, ...] = get_args(Comparison)

_TRUTHS = {"true": True, "false": False}
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    name: getattr(operators, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")
}
_TEXTS: Mapping[str, Callable[[str, str], bool]] = {
    "contains": str.__contains__,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_SIGNS: Mapping[str, Comparison] = {
    "=": "eq", "==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "*=": "contains", "^=": "startswith", "$=": "endswith",
}  # fmt: skip
_SIGN = {name: sign for sign, name in _SIGNS.items() if sign != "=="}
_WRITTEN = re.compile(r"\s*([A-Za-z][\w:.]*)\s*(<=|>=|!=|\*=|\^=|\$=|==|=|<|>|\bin\b)(?![=<>])\s*(.+?)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A comparison that a product has to stand. One without the property does not, nor where it is null: not even ``ne``.

    Of several values ``wanted``, which only ``in`` has, one has to be met.
    """

    property: str
    comparison: Comparison
    wanted: tuple[Value, ...]

    def __post_init__(self) -> None:
        if self.comparison not in COMPARISONS:
            raise ValueError(f"there is no comparison {self.comparison!r}; {meant(self.comparison, COMPARISONS)}")
        if self.comparison != "in" and len(self.wanted) != 1:
            raise ValueError(
                f"{self.comparison!r} compares {self.property} with one value, not with {len(self.wanted)}"
            )
        if any(isinstance(each, float) and isnan(each) for each in self.wanted):
            raise ValueError(f"{self.property} cannot be compared with what is no number")

    def __str__(self) -> str:
        wanted = ",".join(map(str, self.wanted))
        return (
            f"{self.property} in {wanted}"
            if self.comparison == "in"
            else f"{self.property}{_SIGN[self.comparison]}{wanted}"
        )

    def holds(self, product: Product) -> bool:
        """Whether the product stands it."""
        found = value(product, self.property)
        comparison = "eq" if self.comparison == "in" else self.comparison
        return found is not None and any(compare(found, comparison, each) for each in self.wanted)


def parse(text: str) -> Condition:
    """The condition that is written ``cloudCover<=20``, ``tile in 31TCL,31TDL`` or ``name*=_N05``.

    Signs are = != < <= > >=, and for text *= (contains), ^= (begins with) and $= (ends with). Quotes around a value are taken off.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is not a condition: write property, one of = != < <= > >= *= ^= $= in, value: cloudCover<=20"
        )
    name, sign, written = found.groups()
    if sign == "in":
        return Condition(property=name, comparison="in", wanted=tuple(_bare(each) for each in written.split(",")))
    return Condition(property=name, comparison=_SIGNS[sign], wanted=(_bare(written),))


def compare(found: Value, comparison: str, wanted: Value) -> bool:
    """Whether ``found`` stands the comparison with ``wanted``."""
    if comparison in _TEXTS:
        return _TEXTS[comparison](_text(found), _text(wanted))
    pair = _alike(found, wanted, ordered=comparison not in {"eq", "ne"})
    return comparison == "ne" if pair is None else _ORDERS[comparison](*pair)


def _alike(found: Value, wanted: Value, *, ordered: bool) -> tuple[Any, Any] | None:
    """Both values in the type they are compared in; ``None`` where there is none."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return None if ordered else _both(_truth(found), _truth(wanted))
    if isinstance(found, int | float) or isinstance(wanted, int | float):
        return _both(_exact(found), _exact(wanted))
    moments = _both(instant(found), instant(wanted))
    if moments is not None or isinstance(found, datetime) or isinstance(wanted, datetime):
        return moments
    return (_both(number(found), number(wanted)) if ordered else None) or (found, wanted)


def _both(one: object, other: object) -> tuple[Any, Any] | None:
    return None if one is None or other is None else (one, other)


def _exact(given: Value) -> float | None:
    """A number; whole ones keep all their digits."""
    return given if isinstance(given, int) else number(given)


def _truth(given: Value) -> bool | None:
    return given if isinstance(given, bool) else _TRUTHS.get(given.lower()) if isinstance(given, str) else None


def _text(given: Value) -> str:
    return (
        str(given).lower()
        if isinstance(given, bool)
        else given.isoformat()
        if isinstance(given, datetime)
        else str(given)
    )


def _bare(written: str) -> str:
    stripped = written.strip()
    quoted = len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "'\""
    return stripped[1:-1] if quoted else stripped
