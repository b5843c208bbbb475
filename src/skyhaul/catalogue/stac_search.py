"""What is asked of STAC catalogues: the body of a search, or its address where a catalogue takes no bodies (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

from skyhaul.errors import SettingsError
from skyhaul.footprint import from_wkt
from skyhaul.model import Query, TimeInterval
from skyhaul.protocols import Slice
from skyhaul.values import meant

EDGE = timedelta(hours=1)
"""How much later than its start a product's ``datetime`` may be, where an archive compares that: the middle of an orbit."""

_TICK = timedelta(microseconds=1)
_SUFFIX = re.compile(r"(?:\.(?:SAFE|SEN3|SEN6|EOF|nc))?(?:\.zip)?$", re.IGNORECASE)
_GRANULE = re.compile(r"S2[A-D]_MSIL[12][ABC]_(?P<sensed>\d{8}(?:T(?:\d{6}|\d{4}|\d{2}))?)")
_ESA = re.compile(r"S2[A-D]_MSIL[12][ABC]_\d{8}T\d{6}_N\d{4}_R\d{3}_T\w{5}_\d{8}T\d{6}")
_UNIT = re.compile(r"S(?:ENTINEL-?)?(\d)([A-D])", re.IGNORECASE)
_OPERATORS = {"eq": "=", "lt": "<", "lte": "<=", "gte": ">=", "in": "in"}

Language = Literal["query", "cql2", "none"]
"""How properties are compared: by the query extension, by CQL2 as JSON, or not at all."""

Comparison = tuple[str, str, Any]
"""(property, operator of the query extension, value)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What an archive can be asked, and what it calls it. ``properties`` are by field of the query; ``tile`` says how a tile is written.

    ``orders`` are the properties by which it sorts; ``ids`` is whether products have the ids of its items, ``open`` whether all can
    be fetched at once. ``counts`` is false where replies are known to state no total. Only what is known to be there is asked: a property
    that is not matches nothing, silently. ``uri`` is the property that holds the name which ESA gave the product, of Sentinel-2, where
    items have ids of their own.
    """

    properties: Mapping[str, str] = field(default_factory=dict)
    orders: Mapping[str, str] = field(default_factory=dict)
    tile: str = "MGRS-{}"
    language: Language = "query"
    ids: bool = True
    open: bool = False
    counts: bool = True
    uri: str | None = None

    def renamed(self, names: Sequence[str]) -> list[str]:
        """Those of ``names`` that ESA gave, where items have other ids; exact, with the suffix that they have there."""
        return [f"{stem(name)}.SAFE" for name in names if self.uri and _ESA.fullmatch(stem(name))]

    def asked(self, query: Query) -> frozenset[str]:
        """The fields of ``query`` that the archive is asked for."""
        known = {"collection", "sensing", "area"} | ({"ids"} if self.ids else set())
        if self.language != "none":
            known |= set(self.properties)
        # An item has one of several ids, or one of several names: it cannot be asked for the one or the other.
        if not any("*" in name for name in query.names) and len(self.renamed(query.names)) in {0, len(query.names)}:
            known.add("names")
        if "platform" in known and _UNIT.fullmatch(query.platform or "") is None:
            known.discard("platform")
        return frozenset(known)


def search_body(part: Slice, words: Words, *, limit: int) -> dict[str, Any]:
    """The body of a search for ``part``, of pages of ``limit``.

    Raises:
        SettingsError: the archive cannot sort as the query wants.
    """
    query = part.query
    body: dict[str, Any] = {}
    if query.collection:
        body["collections"] = [query.collection]
    asked = words.asked(query)
    names = query.names if "names" in asked and not words.renamed(query.names) else ()
    if ids := [*(query.ids if "ids" in asked else ()), *map(stem, names)]:
        body["ids"] = ids
    if when := span(narrowed(part.interval, query.names) if words.uri else part.interval, query.sensing):
        body["datetime"] = when
    if area := query.area_asked or query.area:
        body["intersects"] = from_wkt(area)
    if comparisons := list(compared(query, words)):
        body |= _filtered(comparisons, words.language)
    # Left to itself, a catalogue pages in the order that its tokens are made for.
    # By start, slices are in order by themselves, and what is in a slice is sorted here.
    if part.ordered and (query.order_by.removeprefix("-") != "start" or "start" in words.orders):
        body["sortby"] = sorting(query.order_by, words)
    return {key: value for key, value in body.items() if value not in ([], {})} | {"limit": limit}


def stem(name: str) -> str:
    """A product's name as the id of an item: without its suffix."""
    return _SUFFIX.sub("", name)


def narrowed(interval: TimeInterval, names: Sequence[str]) -> TimeInterval:
    """What of ``interval`` products of these names can lie in, as far as all of them say when they were sensed; ``*`` may end a time."""
    found = [_GRANULE.match(name) for name in names]
    texts = [each["sensed"] for each in found if each is not None]
    if not texts or len(texts) < len(names):
        return interval
    try:
        first, last = (
            datetime.strptime(pick(text + filling[len(text) :] for text in texts), "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            for pick, filling in ((min, "00000000T000000"), (max, "99999999T235959"))
        )
    except ValueError:
        return interval  # no such time, or a date that is cut short
    start = first if interval.start is None else max(first, interval.start)
    end = last + EDGE if interval.end is None else min(last + EDGE, interval.end)
    return TimeInterval(start=start, end=end) if start < end else interval


def search_url(root: str, body: Mapping[str, Any]) -> str:
    """The address of the same search, for catalogues that take no bodies."""

    def written(key: str, value: Any) -> str:
        match key, value:
            case "sortby", list():
                return ",".join(("-" if each["direction"] == "desc" else "+") + each["field"] for each in value)
            case _, list():
                return ",".join(map(str, value))
            case _, dict():
                return msgspec.json.encode(value).decode()
            case _:
                return str(value)

    return f"{root}/search?{urlencode({key: written(key, value) for key, value in body.items()})}"


def sorting(order_by: str, words: Words) -> list[dict[str, str]]:
    """How a search is told its order.

    Raises:
        SettingsError: the archive does not know it.
    """
    name = order_by.removeprefix("-")
    if name not in words.orders:
        raise SettingsError(f"the archive cannot sort by {name!r}; {meant(name, words.orders)}")
    return [{"field": words.orders[name], "direction": "desc" if order_by.startswith("-") else "asc"}]


def span(interval: TimeInterval, sensing: TimeInterval) -> str | None:
    """A half-open interval as STAC writes it, with both ends included; where the query ends, a little later for late ``datetime``s."""
    if interval.open:
        return None
    end = interval.end and interval.end - _TICK
    if end is not None and interval.end == sensing.end:
        end += EDGE
    return f"{instant(interval.start) if interval.start else '..'}/{instant(end) if end else '..'}"


def instant(when: datetime) -> str:
    """A moment in full (CDSE STAC refuses dates without a time)."""
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def compared(query: Query, words: Words) -> Iterator[Comparison]:
    """The comparisons of properties that ``query`` means."""
    if words.language == "none":
        return
    if words.uri and "names" in words.asked(query) and (names := words.renamed(query.names)):
        yield words.uri, "in", names
    for name, prop in words.properties.items():
        for operator, value in _meant(name, query, words):
            yield prop, operator, value


def _meant(name: str, query: Query, words: Words) -> Iterator[tuple[str, Any]]:
    value = getattr(query, name)
    match name:
        case "published":
            if value.start is not None:
                yield "gte", instant(value.start)
            if value.end is not None:
                yield "lt", instant(value.end)
        case "tiles" | "product_types" if value:
            yield (
                "in",
                [words.tile.format(each.upper().removeprefix("T").zfill(5)) for each in value]
                if name == "tiles"
                else list(value),
            )
        case "cloud_min" if value is not None:
            yield "gte", value
        case "cloud_max" if value is not None:
            yield "lte", value
        case "orbit_direction" if value:
            yield "eq", value.lower()
        case "platform" if found := _UNIT.fullmatch(value or ""):
            yield "eq", f"sentinel-{found[1]}{found[2].lower()}"
        case "relative_orbit" if value is not None:
            yield "eq", value


def _filtered(comparisons: list[Comparison], language: Language) -> dict[str, Any]:
    if language == "cql2":
        clauses = [
            {"op": _OPERATORS[operator], "args": [{"property": name}, value]} for name, operator, value in comparisons
        ]
        return {"filter-lang": "cql2-json", "filter": {"op": "and", "args": clauses}}
    query: dict[str, dict[str, Any]] = {}
    for name, operator, value in comparisons:
        query.setdefault(name, {})[operator] = value
    return {"query": query}
