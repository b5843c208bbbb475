"""Filters at work: conditions become tests of row numbers, and the rows that pass them are found."""

from __future__ import annotations

import datetime as dt
import operator
import re
import threading
from array import array
from collections import OrderedDict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

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
    as_us,
    start_bounds,
)
from skyhaul.simulate.footprints import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from shapely import Geometry as Shape

    from skyhaul.simulate.filters import Condition, Operand
    from skyhaul.simulate.nouns import Column, Geometry, Shelf, Value

    Test = Callable[[int], bool]

COLLECTIONS = frozenset(
    {
        *("SENTINEL-1", "SENTINEL-2", "SENTINEL-3", "SENTINEL-5P", "SENTINEL-6", "SENTINEL-1-RTC"),
        *("GLOBAL-MOSAICS", "SMOS", "ENVISAT", "LANDSAT-5", "LANDSAT-7", "LANDSAT-8", "LANDSAT-8-ESA"),
        *("LANDSAT-9", "COP-DEM", "TERRAAQUA", "S2GLC", "CCM", "CLMS"),
    }
)
# Group values that the productType of Sentinel-1 takes beside the exact ones.
GROUPS = {
    "RAW": re.compile(r".*_RAW__0S"),
    "GRD": re.compile(r".*_GRD[FHM]_1S"),
    "GRD-COG": re.compile(r".*_GRD[FHM]_1S-COG"),
    "SLC": re.compile(r".*_SLC__1S"),
    "OCN": re.compile(r".*_OCN__2S"),
}
MOMENTS = frozenset(
    {
        *("ContentDate/Start", "ContentDate/End", "PublicationDate", "ModificationDate", "OriginDate"),
        *("EvictionDate", "DeletionDate", "BeginningDateTime", "EndingDateTime", "AzimuthTime"),
    }
)
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": operator.contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "like": fnmatchcase,  # not of OData: what DHuS makes of a * or ? in a name
}
KEPT_SELECTIONS = 16


class Selections:
    """Rows that match, in order, kept for the pages that follow; safe to be used by several threads at once."""

    def __init__(self) -> None:
        self._rows: OrderedDict[Hashable, array[int]] = OrderedDict()
        self._lock = threading.Lock()

    def rows(
        self, asked: Hashable, shelf: Shelf, order: tuple[str, bool] | None, read: Callable[[], Condition | None]
    ) -> array[int]:
        """The rows for what was ``asked``; ``read`` says what that means, when they are not there yet.

        Raises:
            FilterError: as for select.
        """
        with self._lock:
            if asked in self._rows:
                self._rows.move_to_end(asked)
                return self._rows[asked]
        rows = array("I", ordered(shelf, select(shelf, read()), order))
        with self._lock:
            self._rows[asked] = rows
            while len(self._rows) > KEPT_SELECTIONS:
                self._rows.popitem(last=False)
        return rows


def ordered(shelf: Shelf, rows: Iterable[int], order: tuple[str, bool] | None) -> Iterable[int]:
    """``rows`` by a property, and whether it descends, ties by id; without ``order`` as they come.

    Raises:
        FilterError: the shelf has no such property.
    """
    if order is None:
        return rows
    path, descending = order
    get = column(shelf, path).get
    found = sorted(rows, key=shelf.tie_break)
    found.sort(key=get, reverse=descending)
    return found


def select(shelf: Shelf, condition: Condition | None) -> Iterable[int]:
    """The rows for which ``condition`` holds, ascending.

    Raises:
        FilterError: it speaks of a property that the shelf does not have, or compares what cannot be compared.
    """
    if condition is None:
        return range(len(shelf))
    terms = condition.terms if isinstance(condition, AllOf) else (condition,)
    tests = sorted((compiled(shelf, term) for term in terms), key=lambda test: test[0])
    rows = candidates(shelf, condition)
    for _, test in tests:
        rows = [row for row in rows if test(row)]
    return rows


def candidates(shelf: Shelf, condition: Condition) -> Iterable[int]:
    """The rows worth testing: those that names or ids give away, or those within the bounds of the start."""
    for term in condition.terms if isinstance(condition, AllOf) else (condition,):
        match term:
            case Compare("Id", "eq", value):
                return named(shelf.find, (value,))
            case Compare("Name", "eq", value):
                return named(shelf.find_name, (value,))
            case In("Id", values):
                return named(shelf.find, values)
            case In("Name", values):
                return named(shelf.find_name, values)
            case _:
                continue
    return shelf.between(*start_bounds(condition))


def named(find: Callable[[str], int | None], names: Iterable[Operand]) -> list[int]:
    """The rows of ``names``, ascending and each once."""
    return sorted({row for name in names if (row := find(str(name))) is not None})


def compiled(shelf: Shelf, condition: Condition) -> tuple[int, Test]:
    """A test of row numbers and what it costs: 0 a look-up, 1 one value, 2 several conditions."""
    match condition:
        case AllOf(terms) | AnyOf(terms):
            tests = [compiled(shelf, term)[1] for term in terms]
            join = all if isinstance(condition, AllOf) else any
            return 2, lambda row: join(test(row) for test in tests)
        case Not(term):
            cost, inner = compiled(shelf, term)
            return cost, lambda row: not inner(row)
        case AttributeIs():
            return on_column(shelf.attribute(condition.name), attribute_test(condition))
        case Intersects(shape):
            return area_test(shelf, shape)
        case Text() | In() | Compare():
            return on_column(column(shelf, condition.path), property_test(condition))


def property_test(condition: Text | In | Compare) -> Callable[[Any], bool]:
    """The condition on the value of a plain property."""
    match condition:
        case Text(function, _, needle):
            holds = TEXT[function]
            return lambda value: isinstance(value, str) and holds(value, needle)
        case In(path, values):
            return frozenset(operand(path, value) for value in values).__contains__
        case Compare(path, name, value):
            compare, against = COMPARISONS[name], operand(path, value)
            return lambda found: isinstance(found, str) == isinstance(against, str) and compare(found, against)


def on_column(column: Column[Any], holds: Callable[[Any], bool]) -> tuple[int, Test]:
    """``holds`` of the column's value, decided beforehand where the column has a table."""
    if column.table:
        verdicts, codes = [holds(value) for value in column.table], column.codes
        return 0, lambda row: verdicts[codes[row]]
    get = column.get
    return 1, lambda row: holds(get(row))


def column(shelf: Shelf, path: str) -> Column[Any]:
    """The column of a property.

    Raises:
        FilterError: there is none.
    """
    found = shelf.property(path)
    if found is None:
        raise FilterError(f"Invalid field in filter: {path}")
    return found


def operand(path: str, value: Operand) -> Value:
    """A value of the filter as the column of ``path`` has them: times in microseconds."""
    if path in MOMENTS:
        return as_us(value)
    if path == "Collection/Name" and value not in COLLECTIONS:
        raise FilterError("Invalid value")
    if path == "Online" and not isinstance(value, bool):
        raise FilterError("Invalid value")
    if isinstance(value, dt.datetime):
        raise FilterError("Invalid value")
    return value.lower() if path == "Id" and isinstance(value, str) else value


def attribute_test(condition: AttributeIs) -> Callable[[tuple[str, Value] | None], bool]:
    """The condition on type and value of an attribute; a cast to another type than the attribute's matches nothing.

    Where two casts disagree, one of them is enough: the catalogue tolerates such mixtures.
    """
    value, types, compare = condition.value, condition.types, COMPARISONS[condition.operator]
    group = GROUPS.get(str(value)) if condition.name == "productType" else None

    def holds(found: tuple[str, Value] | None) -> bool:
        if found is None or (types and found[0] not in types):
            return False
        kind, actual = found
        if kind == "DateTimeOffset":
            return compare(as_us(actual), as_us(value))
        if group is not None and group.fullmatch(str(actual)):
            return True
        return KINDS[kind] == type_name(value) and compare(actual, value)

    return holds


KINDS = {"String": "text", "Integer": "number", "Double": "number", "Boolean": "truth"}


def type_name(value: Operand) -> str:
    """What sort of literal stands in the filter."""
    if isinstance(value, bool):
        return "truth"
    return {str: "text", int: "number", float: "number"}.get(type(value), "time")


def area_test(shelf: Shelf, shape: Shape) -> tuple[int, Test]:
    """Whether a footprint meets ``shape``; boxes are compared first, and footprints that rows share only once."""
    column = shelf.footprint()

    def holds(footprint: Geometry | None) -> bool:
        return footprint is not None and bool(shape.intersects(shape_of(footprint)))

    if not column.table:
        return on_column(column, holds)
    shared = {id(footprint): holds(footprint) for footprint in {id(one): one for one in column.table}.values()}
    return on_column(column, lambda footprint: shared[id(footprint)])
