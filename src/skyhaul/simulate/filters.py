"""The filter language of the OData catalogue: text in, tree out.

Written after the documentation and the replies of the Copernicus Data Space: keywords are lower case, well-known text
is upper case, dates stand bare (in quotes they are accepted too), strings take ``eq`` only inside attribute conditions.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from skyhaul.simulate.clock import to_us

if TYPE_CHECKING:
    from collections.abc import Callable

    from shapely import Geometry as Shape

Operator = Literal["eq", "ne", "lt", "le", "gt", "ge"]
Operand = str | int | float | bool | dt.datetime

OPERATORS: tuple[Operator, ...] = ("eq", "ne", "lt", "le", "gt", "ge")
FUNCTIONS = ("contains", "startswith", "endswith")
TYPES = ("String", "Integer", "Double", "DateTimeOffset", "Boolean")
SHAPES = ("POLYGON", "MULTIPOLYGON", "POINT")
SRID = "SRID=4326;"
DEPTH_MAX = 50

SPACE = re.compile(r"\s*")
PATH = re.compile(r"[A-Za-z_][\w.]*(?:/[A-Za-z_][\w.]*)*")
AREA = re.compile(r"(?:area|Footprint)\s*=\s*geography(?=')")
LAMBDA = re.compile(r"([A-Za-z_]\w*)\s*:\s*([A-Za-z_]\w*/Name)(?![\w./])")
STRING = re.compile(r"'((?:[^']|'')*)'")
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?")
NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")


class FilterError(ValueError):
    """What the catalogue says of a filter it does not accept."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of ``terms`` holds."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of ``terms`` holds."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """``term`` does not hold."""

    term: Condition


@dataclass(frozen=True, slots=True)
class Compare:
    """A plain property against one value."""

    path: str
    operator: Operator
    value: Operand


@dataclass(frozen=True, slots=True)
class In:
    """A plain property is one of several values."""

    path: str
    values: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """``contains``, ``startswith`` or ``endswith`` of a plain property."""

    function: str
    path: str
    needle: str


@dataclass(frozen=True, slots=True)
class AttributeIs:
    """An attribute against one value; ``types`` are those its casts name, none where there is no cast."""

    name: str
    types: frozenset[str]
    operator: Operator
    value: Operand


@dataclass(frozen=True, slots=True)
class Intersects:
    """The footprint has a point in common with ``shape``."""

    shape: Shape


Condition = AllOf | AnyOf | Not | Compare | In | Text | AttributeIs | Intersects


def parse(text: str, *, lists: bool = False) -> Condition:
    """The tree of a filter; with ``lists`` an attribute may be ``in ('A','B')``, which not every catalogue knows.

    Raises:
        FilterError: with the words of the catalogue.
    """
    parser = _Parser(text, lists=lists)
    condition = parser.either()
    parser.finish()
    return condition


class _Parser:
    """Reads from left to right; every method consumes what it is named after, or complains where it stands."""

    def __init__(self, text: str, *, lists: bool) -> None:
        self._text = text
        self._lists = lists
        self._at = 0
        self._depth = 0
        self._space()

    def finish(self) -> None:
        if self._at < len(self._text):
            raise self._error()

    def either(self) -> Condition:
        terms = [self.both()]
        while self._keyword("or"):
            terms.append(self.both())
        return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))

    def both(self) -> Condition:
        terms = [self.term()]
        while self._keyword("and"):
            terms.append(self.term())
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def term(self) -> Condition:
        if self._keyword("not"):
            return Not(self.nested(self.term))
        if self._symbol("("):
            inner = self.nested(self.either)
            self._expect(")")
            return inner
        start, path = self._at, self._path()
        if path in FUNCTIONS:
            return self.function(path)
        if path == "OData.CSC.Intersects":
            return self.intersects()
        if path.startswith("Attributes/"):
            return self.attribute(path, start)
        return self.comparison(path)

    def nested(self, read: Callable[[], Condition]) -> Condition:
        """What stands inside; too deep for the interpreter's stack is an error like any other."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._error()
        inner = read()
        self._depth -= 1
        return inner

    def function(self, name: str) -> Condition:
        self._expect("(")
        path = self._path()
        self._expect(",")
        needle = self._string()
        self._expect(")")
        return Text(name, path, needle)

    def intersects(self) -> Condition:
        self._expect("(")
        if self._match(AREA) is None:
            raise self._error()
        shape = shape_from(self._string())
        self._expect(")")
        return Intersects(shape)

    def comparison(self, path: str) -> Condition:
        if self._keyword("in"):
            return In(path, self._list())
        return Compare(path, self._operator(), self._value())

    def attribute(self, path: str, start: int) -> Condition:
        """``Attributes/OData.CSC.StringAttribute/any(a:a/Name eq 'n' and a/OData.CSC.StringAttribute/Value eq 'v')``."""
        head = re.fullmatch(r"Attributes(?:/OData\.CSC\.(\w+)Attribute)?/any", path)
        if head is None:
            raise self._error(start)
        self._expect("(")
        variable, name_path = self._variable()
        if name_path != f"{variable}/Name" or self._operator() != "eq":
            raise self._error()
        name = self._string()
        if not self._keyword("and"):
            raise self._error()
        value_at = self._at
        value_path = re.fullmatch(rf"{re.escape(variable)}(?:/OData\.CSC\.(\w+)Attribute)?/Value", self._path())
        if value_path is None:
            raise self._error(value_at)
        types = frozenset(filter(None, (head[1], value_path[1])))
        if not types <= set(TYPES):
            raise self._error(start)
        if self._lists and self._keyword("in"):
            values = self._list()
            self._expect(")")
            return AnyOf(tuple(AttributeIs(name, types, "eq", value) for value in values))
        operator, value = self._operator(), self._value()
        self._expect(")")
        if isinstance(value, str) and operator != "eq" and "DateTimeOffset" not in types:
            raise FilterError("Invalid value")
        return AttributeIs(name, types, operator, value)

    def _variable(self) -> tuple[str, str]:
        """The lambda variable, and the path after its colon."""
        found = self._match(LAMBDA)
        if found is None:
            raise self._error()
        return found[1], found[2]

    def _list(self) -> tuple[Operand, ...]:
        self._expect("(")
        values = [self._value()]
        while self._symbol(","):
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _value(self) -> Operand:
        found = self._match(STRING)
        if found is not None:
            return found[1].replace("''", "'")
        found = self._match(MOMENT)
        if found is not None:
            return moment(found[0])
        found = self._match(NUMBER)
        if found is not None:
            return float(found[0]) if set(found[0]) & set(".eE") else int(found[0])
        for word in ("true", "false"):
            if self._keyword(word):
                return word == "true"
        raise self._error()

    def _operator(self) -> Operator:
        for operator in OPERATORS:
            if self._keyword(operator):
                return operator
        raise self._error()

    def _path(self) -> str:
        found = self._match(PATH)
        if found is None:
            raise self._error()
        return found[0]

    def _string(self) -> str:
        found = self._match(STRING)
        if found is None:
            raise self._error()
        return found[1].replace("''", "'")

    def _keyword(self, word: str) -> bool:
        return self._match(re.compile(rf"{word}(?![\w./:])")) is not None

    def _symbol(self, symbol: str) -> bool:
        return self._match(re.compile(re.escape(symbol))) is not None

    def _expect(self, symbol: str) -> None:
        if not self._symbol(symbol):
            raise self._error()

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
            self._space()
        return found

    def _space(self) -> None:
        space = SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at

    def _error(self, at: int | None = None) -> FilterError:
        return FilterError(f"Error during parsing at index {self._at if at is None else at}")


def moment(text: str) -> dt.datetime:
    """A time with or without zone, which then is UTC (since May 2024), or a bare date.

    Raises:
        FilterError: no such time exists.
    """
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise FilterError("Invalid value") from error
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


def shape_from(text: str) -> Shape:
    """The geometry of ``SRID=4326;POLYGON((...))``, valid and ready to be asked often.

    Raises:
        FilterError: with the index into ``text``, as the catalogue counts.
    """
    import shapely  # noqa: PLC0415 -- a tenth of a second that only filters with an area need

    if not text.startswith(SRID):
        raise FilterError(f"Error during parsing at index {_common(text, (SRID,))}")
    keyword = re.match(r"[A-Za-z]*", text[len(SRID) :])
    if keyword is None or keyword[0] not in SHAPES:
        raise FilterError(f"Error during parsing at index {len(SRID) + _common(text[len(SRID) :], SHAPES)}")
    try:
        shape = shapely.from_wkt(text[len(SRID) :])
    except shapely.errors.ShapelyError as error:
        raise FilterError(f"Error during parsing at index {len(SRID) + len(keyword[0])}") from error
    if shape.is_empty or not shape.is_valid:
        raise FilterError(f"Invalid geometry: {shapely.is_valid_reason(shape)}")
    shapely.prepare(shape)
    return shape


def _common(text: str, words: tuple[str, ...]) -> int:
    """How many characters of ``text`` agree with the beginning of the word that agrees most."""
    return max(
        next((n for n, (a, b) in enumerate(zip(text, word, strict=False)) if a != b), len(word)) for word in words
    )


def start_bounds(condition: Condition) -> tuple[int, int]:
    """The closed span of sensing starts, in microseconds, outside of which ``condition`` cannot hold."""
    low, high = -(2**62), 2**62
    for term in condition.terms if isinstance(condition, AllOf) else (condition,):
        if isinstance(term, AllOf):
            inner = start_bounds(term)
            low, high = max(low, inner[0]), min(high, inner[1])
        elif isinstance(term, Compare) and term.path == "ContentDate/Start" and term.operator != "ne":
            at = as_us(term.value)
            low = max(low, at) if term.operator in {"ge", "gt", "eq"} else low
            high = min(high, at) if term.operator in {"le", "lt", "eq"} else high
    return low, high


def as_us(value: Operand) -> int:
    """A time of a filter, bare or in quotes, in microseconds since 1970.

    Raises:
        FilterError: it is no time.
    """
    if isinstance(value, str) and MOMENT.fullmatch(value):
        value = moment(value)
    if not isinstance(value, dt.datetime):
        raise FilterError("Invalid value")
    return to_us(value)
