"""STAC searches: what a request asks for, and which products of the world answer it, newest first, page by page."""

from __future__ import annotations

import datetime as dt
import operator
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
import shapely
from shapely.geometry import box, shape

from skyhaul.simulate.stac_items import SUFFIXES, collection_of, item_id, properties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from skyhaul.simulate.nouns import Column, Geometry, Shelf, SimProduct, World

    Describe = Callable[[SimProduct], Mapping[str, Any]]

T = TypeVar("T")

DEFAULT_LIMIT, LIMIT_MAX, L2A_LIMIT_MAX = 10, 1000, 200
# Nothing in the archive was sensed for longer: bounds how long before an interval a product in it may start.
LONGEST = dt.timedelta(hours=3)
EARLIEST, LATEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
NEWEST_FIRST = (("datetime", True),)
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "in": lambda value, wanted: value in wanted,
    "startsWith": lambda value, wanted: str(value).startswith(wanted),
    "contains": lambda value, wanted: wanted in value,
}
CQL2 = {"=": "eq", "<>": "neq", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte", "in": "in"}
INSTANTS = {"datetime", "start_datetime", "end_datetime", "created", "updated", "published", "processing:datetime"}
COMPARISON = re.compile(r"\s*([A-Za-z_:.]+)\s*(<=|>=|<>|=|<|>)\s*('(?:[^']|'')*'|[-+.\dEe]+)\s*")


class BadSearchError(ValueError):
    """A search that cannot be read: 400, with words for its sender."""


class Interval(NamedTuple):
    """A closed span of time."""

    start: dt.datetime = EARLIEST
    end: dt.datetime = LATEST


ALWAYS = Interval()


class Condition(NamedTuple):
    """One comparison of a property."""

    name: str
    operation: str
    value: Any

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether an item with these properties meets it; a missing property meets nothing."""
        name = self.name.removeprefix("properties.")
        found, wanted = values.get(name), self.value
        if found is None:
            return False
        if name in INSTANTS:
            found, wanted = dt.datetime.fromisoformat(found), _instant(wanted, EARLIEST)
        return OPERATORS[self.operation](found, wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is asked for; everything has to hold. ``after`` is the item the page before ended with."""

    collections: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    interval: Interval = ALWAYS
    area: Any = None  # a shapely geometry
    conditions: tuple[Condition, ...] = ()
    sort_by: tuple[tuple[str, bool], ...] = NEWEST_FIRST  # property, descending
    include: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()
    limit: int = DEFAULT_LIMIT
    after: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of products; ``token`` asks for the next one, "" where there is none."""

    products: list[SimProduct] = field(default_factory=list)
    token: str = ""


def parse_search(asked: Mapping[str, Any]) -> Search:
    """Read the JSON body of a search, or the query of one brought into the same shape by from_query.

    Raises:
        BadSearchError: a value that is no such thing, or a limit above what the archive gives.
    """
    try:
        include, exclude = _fields(asked.get("fields") or {})
        search = Search(
            collections=tuple(asked.get("collections") or ()),
            ids=tuple(asked.get("ids") or ()),
            interval=parse_interval(asked["datetime"]) if asked.get("datetime") else ALWAYS,
            area=_area(asked),
            conditions=(*_query_conditions(asked.get("query") or {}), *_filter_conditions(asked.get("filter"))),
            sort_by=_sorting(asked.get("sortby") or ()),
            include=include,
            exclude=exclude,
            limit=int(asked.get("limit") or DEFAULT_LIMIT),
            after=str(asked.get("token") or "").removeprefix("next:").partition(":")[2],
        )
    except (TypeError, KeyError, AttributeError, shapely.errors.ShapelyError) as error:
        raise BadSearchError(f"malformed search: {error}") from error
    whole_l2a = "sentinel-2-l2a" in search.collections and not (search.include or search.exclude)
    if not 1 <= search.limit <= (L2A_LIMIT_MAX if whole_l2a else LIMIT_MAX):
        raise BadSearchError("limit out of range")
    return search


def from_query(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The query of a GET search in the shape of a POST body.

    Raises:
        BadSearchError: JSON or a number that does not parse.
    """
    asked: dict[str, Any] = {}
    try:
        for key, value in pairs:
            match key:
                case "collections" | "ids":
                    asked[key] = value.split(",")
                case "bbox":
                    asked[key] = [float(number) for number in value.split(",")]
                case "intersects" | "query":
                    asked[key] = msgspec.json.decode(value)
                case "filter":
                    asked[key] = msgspec.json.decode(value) if value.startswith("{") else value
                case "sortby":
                    asked[key] = [_sort_field(part) for part in value.split(",")]
                case "fields":
                    asked[key] = _fields_of(value.split(","))
                case _:
                    asked[key] = value
    except (ValueError, msgspec.DecodeError) as error:
        raise BadSearchError(f"{key}: {error}") from error
    return asked


def parse_interval(text: str) -> Interval:
    """An RFC 3339 instant, or two with a slash between them, either of which may be ``..`` or nothing.

    Raises:
        BadSearchError: no such thing; dates without a time are refused, as by CDSE.
    """
    first, slash, last = text.partition("/")
    start = _instant(first, EARLIEST)
    return Interval(start, _instant(last, LATEST) if slash else start)


def described(product: SimProduct) -> Mapping[str, Any]:
    """What conditions and orders of a search may name: the properties of an item, and its id."""
    return {"id": item_id(product.name), **properties(product)}


def find(world: World, search: Search, told: Describe = described) -> Found:
    """The page of ``world`` that ``search`` asks for, of a host that tells ``told`` of its items.

    In the usual order, newest first, a page reads no further than it must; any other order sorts all that match.
    """
    if search.sort_by == NEWEST_FIRST:
        return _page(search, _newest_first(world, search), told)
    every = _newest_first(world, replace(search, after=""))
    products = [product for product in every if matches(search, product, told)]
    for name, descending in reversed(search.sort_by):
        products.sort(key=lambda product: _sort_key(told(product), name), reverse=descending)
    ids = [item_id(product.name) for product in products]
    start = ids.index(search.after) + 1 if search.after in ids else 0
    return _page(search, iter(products[start:]), told)


def count(world: World, search: Search, told: Describe = described) -> int:
    """How many products answer a search, over all of its pages."""
    return sum(matches(search, product, told) for product in _newest_first(world, replace(search, after="")))


def matches(search: Search, product: SimProduct, told: Describe = described) -> bool:
    """Whether a product answers a search."""
    collection = collection_of(product.product_type, product.name)
    if collection is None or (search.collections and collection not in search.collections):
        return False
    if search.ids and item_id(product.name) not in search.ids:
        return False
    if product.end < search.interval.start or product.start > search.interval.end:
        return False
    if search.area is not None and not _meets(search.area, product.footprint):
        return False
    if not search.conditions:
        return True
    values = told(product)
    return all(condition.holds(values) for condition in search.conditions)


def _meets(area: Any, footprint: Geometry | None) -> bool:
    return footprint is not None and bool(shapely.intersects(area, shape(footprint)))


def _page(search: Search, candidates: Iterator[SimProduct], told: Describe) -> Found:
    products: list[SimProduct] = []
    for product in candidates:
        if not matches(search, product, told):
            continue
        if len(products) == search.limit:
            last = products[-1]
            return Found(products, f"next:{collection_of(last.product_type, last.name)}:{item_id(last.name)}")
        products.append(product)
    return Found(products)


def _newest_first(world: World, search: Search) -> Iterator[SimProduct]:
    """Products that may match, by falling start; those with equal start in the order of the shelf, reversed."""
    last = product_of_item(world, search.after) if search.after else None
    start = _us(max(search.interval.start, EARLIEST + LONGEST) - LONGEST)
    end = _us(search.interval.end) if last is None else min(_us(last.start), _us(search.interval.end))
    rows = list(world.shelf.between(start, end))
    rows.reverse()
    if last is not None:
        position = world.shelf.find(last.id)
        rows = rows[rows.index(position) + 1 :] if position in rows else rows
    plausible = _plausible(world.shelf, search)
    return (world.product(row) for row in rows if plausible(row))


def _plausible(shelf: Shelf, search: Search) -> Callable[[int], bool]:
    """A cheap test that no matching row fails: by mission and, before a product is made of it, by footprint."""
    tests: list[Callable[[int], bool]] = []
    missions = shelf.property("Collection/Name")
    if search.collections and missions is not None:
        wanted = {f"SENTINEL-{name.split('-')[1].upper()}" for name in search.collections if "-" in name}
        tests.append(_decided(missions, wanted.__contains__))
    if search.area is not None:
        tests.append(_decided(shelf.footprint(), lambda footprint: _meets(search.area, footprint)))
    return lambda row: all(test(row) for test in tests)


def _decided(column: Column[T], test: Callable[[T], bool]) -> Callable[[int], bool]:
    """``test`` for rows of ``column``, decided once for all rows that share a value."""
    if not column.table:
        return lambda row: test(column.get(row))
    verdicts = [test(value) for value in column.table]
    return lambda row: verdicts[column.codes[row]]


def product_of_item(world: World, item: str) -> SimProduct | None:
    """The product behind an item's id."""
    found = (world.by_name(item + suffix) for suffix in (*SUFFIXES, ""))
    return next((product for product in found if product is not None), None)


def _sort_key(values: Mapping[str, Any], name: str) -> Any:
    value = values.get(name)
    return (value is not None, value if value is not None else 0)


def _us(when: dt.datetime) -> int:
    return (when - EARLIEST) // dt.timedelta(microseconds=1)


def _instant(text: str, otherwise: dt.datetime) -> dt.datetime:
    if text in {"", ".."}:
        return otherwise
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise BadSearchError(f"datetime: {text!r} is no RFC 3339 instant") from error
    if when.tzinfo is None:
        raise BadSearchError(f"datetime: {text!r} is no RFC 3339 instant with a zone")
    return when


def _area(asked: Mapping[str, Any]) -> Any:
    if asked.get("bbox") and asked.get("intersects"):
        raise BadSearchError("intersects and bbox parameters are mutually exclusive")
    if asked.get("bbox"):
        numbers = asked["bbox"]
        if len(numbers) not in {4, 6}:
            raise BadSearchError("bbox has four or six numbers")
        half = len(numbers) // 2
        return box(numbers[0], numbers[1], numbers[half], numbers[half + 1])
    return shape(asked["intersects"]) if asked.get("intersects") else None


def _query_conditions(query: Mapping[str, Mapping[str, Any]]) -> Iterator[Condition]:
    for name, comparisons in query.items():
        for operation, value in comparisons.items():
            if operation not in OPERATORS:
                raise BadSearchError(f"query: unknown operator {operation!r}")
            yield Condition(name, operation, value)


def _filter_conditions(asked: Any) -> Iterator[Condition]:
    """CQL2, as JSON or as text: comparisons joined by ``and``."""
    if isinstance(asked, str):
        yield from _text_conditions(asked)
    elif asked:
        operation, arguments = asked["op"], asked["args"]
        if operation == "and":
            for argument in arguments:
                yield from _filter_conditions(argument)
        elif operation in CQL2:
            yield Condition(arguments[0]["property"], CQL2[operation], _literal(arguments[1]))
        else:
            raise BadSearchError(f"filter: unsupported operator {operation!r}")


def _text_conditions(text: str) -> Iterator[Condition]:
    for part in re.split(r"\s+and\s+", text, flags=re.IGNORECASE):
        match = COMPARISON.fullmatch(part)
        if match is None:
            raise BadSearchError(f"filter: cannot read {part!r}")
        quoted = match[3].startswith("'")
        value = match[3][1:-1].replace("''", "'") if quoted else float(match[3])
        yield Condition(match[1], CQL2[match[2]], value)


def _literal(value: Any) -> Any:
    return value["timestamp"] if isinstance(value, dict) else value


def _sorting(asked: Sequence[Mapping[str, str]]) -> tuple[tuple[str, bool], ...]:
    fields = tuple((each["field"].removeprefix("properties."), each.get("direction") == "desc") for each in asked)
    return fields or NEWEST_FIRST


def _sort_field(text: str) -> dict[str, str]:
    return {"field": text.lstrip("+- "), "direction": "desc" if text.startswith("-") else "asc"}


def _fields(asked: Mapping[str, Sequence[str]]) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(asked.get("include") or ()), frozenset(asked.get("exclude") or ())


def _fields_of(names: Sequence[str]) -> dict[str, list[str]]:
    return {
        "include": [name.lstrip("+ ") for name in names if not name.startswith("-")],
        "exclude": [name[1:] for name in names if name.startswith("-")],
    }
