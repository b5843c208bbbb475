"""What is asked of the Copernicus catalogue: the OData filter of a query, the address of a page (pure).

Every attribute condition names the attribute's type twice, in the long form that the documentation gives: a wrong type matches nothing,
silently. Replies are read by :mod:`skyhaul.catalogue.entities`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from urllib.parse import quote, urlencode

import msgspec

from skyhaul.catalogue.baselines import number
from skyhaul.catalogue.slices import bounded, windows
from skyhaul.errors import SettingsError
from skyhaul.model import Attribute, Condition, Kind, Operator, Query, TimeInterval
from skyhaul.protocols import Slice
from skyhaul.values import meant
from skyhaul.vocabulary import BASELINE, PROPERTIES, TYPES

ATTRIBUTES_ONLY = ("Attributes",)
ORDERS = {
    "start": "ContentDate/Start",
    "end": "ContentDate/End",
    "published": "PublicationDate",
    "modified": "ModificationDate",
}
ASKED = frozenset({
    "collection", "product_types", "sensing", "published", "area", "tiles", "cloud_min", "cloud_max", "orbit_direction",
    "relative_orbit", "platform", "polarisation", "mode", "timeliness", "ids", "online",
})  # fmt: skip
"""The fields of a query that the catalogue is always asked for as they are meant; of the others see :func:`leftover`."""

URL_MAX = 7000
"""Characters of an address, at most. CDSE states no limit; common servers refuse addresses above 8 KiB."""

_SAFE = "$(),:/"
_NEVER = "ContentDate/Start lt 1900-01-01T00:00:00.000Z"
_TILE = re.compile(r"T?(\d{1,2})([A-Z]{3})")
_SATELLITE = re.compile(r"S(?:ENTINEL-)?(\d)([A-D])")
_MISSION = re.compile(r"S(?:ENTINEL-)?(\d)")


def page_url(
    root: str, part: Slice, *, top: int, skip: int, count: bool, expand: Sequence[str] = ATTRIBUTES_ONLY
) -> str:
    """The address of the products of ``part`` from ``skip`` on, in the query's order, those of one moment by id.

    Raises:
        SettingsError: the query has something that this catalogue cannot be asked.
    """
    text = filter_text(part.query, part.interval)
    options = [
        *([("$filter", text)] if text else []),
        # CDSE OData: without $orderby the order is undefined and pages overlap.
        ("$orderby", _order(part.query.order_by)),
        ("$top", str(top)),
        ("$skip", str(skip)),
        *([("$count", "True")] if count else []),
        *(("$expand", each) for each in expand),
    ]
    return address(root, "Products", options)


def names_url(root: str, *, top: int, expand: Sequence[str] = ATTRIBUTES_ONLY) -> str:
    """Where a list of names is posted to, see :func:`names_body`."""
    options = [("$top", str(top)), *(("$expand", each) for each in expand)]
    return address(root, "Products/OData.CSC.FilterList", options)


def names_body(names: Iterable[str]) -> bytes:
    """The exact names of products, as JSON. The answer leaves out, silently, those that the catalogue does not have."""
    return msgspec.json.encode({"FilterProducts": [{"Name": name} for name in names]})


def filter_text(query: Query, interval: TimeInterval) -> str:
    """The ``$filter`` of ``query`` for sensing starts in ``interval``, not yet encoded; empty where nothing restricts.

    Rules are asked for in one filter, joined by OR: a product that two of them find then comes once, and ``$count`` counts it once. What
    cannot be said exactly is asked for too generously: see :func:`leftover`.

    Raises:
        SettingsError: a condition cannot be expressed.
    """
    rules = [" and ".join(_clauses(rule, rule.sensing, within=interval)) for rule in query.rules]
    either = f"({' or '.join(f'({rule})' for rule in rules)})" if len(rules) > 1 else "".join(rules)
    return " and ".join(filter(None, (*_clauses(query, interval, within=interval), either if all(rules) else "")))


def length(query: Query) -> int:
    """Characters of the address that asks for ``query``, about."""
    sensing = TimeInterval(start=query.sensing.start or datetime(1972, 1, 1, tzinfo=UTC), end=query.sensing.end)
    return 300 + len(quote(filter_text(query, sensing), safe=_SAFE))


def leftover(query: Query) -> Query:
    """What of ``query`` :func:`filter_text` does not ask for exactly: products have to be compared with it.

    That is a name with ``*`` between other characters; a season without a start; a baseline above or below another, and text that has to
    differ, which OData has no words for. Of several rules all is compared where one of them has such a thing.
    """
    rules = [_inexact(rule, _common(rule.sensing, query.sensing)) for rule in query.rules]
    usual = Query()
    if not any(rule != usual for rule in rules):
        left: tuple[Query, ...] = ()
    else:
        left = tuple(rules) if len(rules) == 1 else query.rules
    inexact = _inexact(query, query.sensing)
    return replace(query, names=inexact.names, where=inexact.where, season=inexact.season, rules=left)


def _inexact(fragment: Query, interval: TimeInterval) -> Query:
    return Query(
        names=fragment.names if name_check(fragment.names) else (),
        where=tuple(each for each in fragment.where if not _exact(each, fragment)),
        season=fragment.season if not bounded(interval, now=datetime.now(UTC)) else None,
    )


def _exact(condition: Condition, fragment: Query) -> bool:
    if condition.attribute == BASELINE:
        return _in_names(condition, fragment)
    kind = condition.kind or TYPES.get(condition.attribute) or _kind(condition.values[0])
    return condition.operator != "ne" or condition.attribute in PROPERTIES or kind not in {"String", "Boolean"}


def _in_names(condition: Condition, fragment: Query) -> bool:
    """Whether names say the baseline: those of Sentinel-2 do, ``_N0510_``."""
    return (
        fragment.collection == "SENTINEL-2"
        and condition.operator in {"eq", "in"}
        and all(re.fullmatch(r"\d\d\.\d\d", str(value)) for value in condition.values)
    )


def _common(one: TimeInterval, other: TimeInterval) -> TimeInterval:
    """The ends of both, the narrower of two."""
    starts = [each for each in (one.start, other.start) if each]
    ends = [each for each in (one.end, other.end) if each]
    start, end = max(starts, default=None), min(ends, default=None)
    return one if start and end and start >= end else TimeInterval(start=start, end=end)


def _clauses(query: Query, interval: TimeInterval, *, within: TimeInterval) -> list[str]:
    """What has to hold for a query or one of its rules; ``within`` is the slice that is read."""
    names = [_name(pattern) for pattern in query.names]
    clauses = [
        f"Collection/Name eq {_quoted(query.collection)}" if query.collection else "",
        _any(_attribute("productType", "eq", each) for each in query.product_types),
        *_between("ContentDate/Start", interval),
        *_between("PublicationDate", query.published),
        _season(query, _common(interval, within)),
        _any(
            f"OData.CSC.Intersects(area=geography'SRID=4326;{shape}')"
            for shape in shapes(query.area_asked or query.area or "")
        ),
        _any(_attribute("tileId", "eq", _tile(tile)) for tile in query.tiles),
        *(_attribute(name, operator, value) for name, operator, value in _scalars(query) if value is not None),
        _any(_polarisations(query.polarisation or "")),
        *_platform(query),
        _any(names) if all(names) else "",
        _any(f"Id eq {_quoted(each)}" for each in query.ids),
        *(_condition(each, query) for each in query.where),
        f"Online eq {_literal('Online', 'Boolean', query.online)}" if query.online is not None else "",
    ]
    return [clause for clause in clauses if clause]


def _season(query: Query, interval: TimeInterval) -> str:
    if query.season is None:
        return ""
    spans = list(windows(query.season, interval, now=datetime.now(UTC)))
    each = (" and ".join(_between("ContentDate/Start", span)) for span in spans)
    return _any(f"({span})" for span in each) or _NEVER


def name_check(patterns: Sequence[str]) -> Callable[[str], bool] | None:
    """Whether a name matches one of ``patterns``; ``None`` where :func:`filter_text` says it all.

    OData can say that a name begins with, holds and ends with texts, but not in which order.
    """
    if all(sum(map(bool, pattern.split("*"))) <= 1 for pattern in patterns):
        return None
    union = "|".join(".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns)
    compiled = re.compile(union, re.DOTALL)
    return lambda name: compiled.fullmatch(name) is not None


def shapes(area: str) -> Iterator[str]:
    """The simple geometries that WKT text is made of, in capitals: CDSE OData refuses ``Polygon``, and no one knows of ``MULTIPOLYGON``."""
    text = area.strip().upper()
    keyword, _, body = text.partition("(")
    members = _members(body.rpartition(")")[0])
    match keyword.strip():
        case "":
            return
        case "GEOMETRYCOLLECTION":
            for member in members:
                yield from shapes(member)
        case multi if multi.startswith("MULTI"):
            for member in members:
                yield multi.removeprefix("MULTI") + (member if member.startswith("(") else f"({member})")
        case _:
            yield text


def _members(text: str) -> list[str]:
    """What stands between the outermost commas."""
    depth, members = 0, [""]
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            members.append("")
        else:
            members[-1] += char
    return [member.strip() for member in members]


def address(root: str, entities: str, options: Sequence[tuple[str, str]]) -> str:
    """Where ``options`` are asked of a set of entities."""
    return f"{root.rstrip('/')}/{entities}?{urlencode(options, quote_via=quote, safe=_SAFE)}"


def _order(order_by: str) -> str:
    field = order_by.removeprefix("-")
    if field not in ORDERS:
        raise SettingsError(f"order_by {order_by!r} is unknown; {meant(field, ORDERS)}")
    return f"{ORDERS[field]} {'desc' if order_by.startswith('-') else 'asc'}"


def _any(clauses: Iterable[str]) -> str:
    found = list(clauses)
    return f"({' or '.join(found)})" if len(found) > 1 else "".join(found)


def _between(name: str, interval: TimeInterval) -> Iterator[str]:
    if interval.start is not None:
        yield f"{name} ge {_time(interval.start)}"
    if interval.end is not None:
        yield f"{name} lt {_time(interval.end)}"


def _scalars(query: Query) -> tuple[tuple[str, Operator, Attribute | None], ...]:
    return (
        ("cloudCover", "ge", query.cloud_min),
        ("cloudCover", "le", query.cloud_max),
        ("orbitDirection", "eq", query.orbit_direction.upper() if query.orbit_direction else None),
        ("relativeOrbitNumber", "eq", query.relative_orbit),
        ("operationalMode", "eq", query.mode),
        ("timeliness", "eq", query.timeliness),
    )


def _tile(tile: str) -> str:
    # CDSE OData: tileId with the leading T matches nothing, silently.
    found = _TILE.fullmatch(tile.upper())
    if found is None:
        raise SettingsError(f"{tile!r} is not an MGRS tile such as 31TCL")
    return f"{int(found[1]):02d}{found[2]}"


def _polarisations(polarisation: str) -> list[str]:
    # CDSE OData: VV&VH and VH&VV both occur.
    channels = re.findall(r"[HV]{2}", polarisation.upper())
    orders = dict.fromkeys(("&".join(channels), "&".join(reversed(channels))))
    return [_attribute("polarisationChannels", "eq", each) for each in orders if each]


def _platform(query: Query) -> Iterator[str]:
    platform = (query.platform or "").upper()
    if found := _SATELLITE.fullmatch(platform):
        if query.collection != f"SENTINEL-{found[1]}":
            yield _attribute("platformShortName", "eq", f"SENTINEL-{found[1]}")
        yield _attribute("platformSerialIdentifier", "eq", found[2])
    elif platform in {"S5P", "SENTINEL-5P"}:
        # One satellite, whose short name is spelt in more than one way.
        yield "startswith(Name,'S5P')"
    elif found := _MISSION.fullmatch(platform):
        yield _attribute("platformShortName", "eq", f"SENTINEL-{found[1]}")
    elif platform:
        yield _attribute("platformSerialIdentifier" if len(platform) == 1 else "platformShortName", "eq", platform)


def _name(pattern: str) -> str:
    """The clause for a name with ``*``; empty where it may be any name."""
    if "*" not in pattern:
        return f"Name eq {_quoted(pattern)}"
    first, *middle, last = pattern.split("*")
    pieces = [("startswith", first), *(("contains", each) for each in middle), ("endswith", last)]
    clauses = [f"{function}(Name,{_quoted(piece)})" for function, piece in pieces if piece]
    return f"({' and '.join(clauses)})" if len(clauses) > 1 else "".join(clauses)


def _condition(condition: Condition, fragment: Query) -> str:
    name = condition.attribute
    if name == BASELINE:
        numbers = [f"{number(value):05.2f}".replace(".", "") for value in condition.values]
        return _any(f"contains(Name,'_N{each}_')" for each in numbers) if _in_names(condition, fragment) else ""
    operator: Operator = "eq" if condition.operator == "in" else condition.operator
    kind = PROPERTIES.get(name)
    if kind is None:
        return _any(_attribute(name, operator, value, condition.kind) for value in condition.values)
    return _any(f"{name} {_comparison(name, kind, operator, value)}" for value in condition.values)


def _attribute(name: str, operator: Operator, value: Attribute, stated: Kind | None = None) -> str:
    kind = stated or TYPES.get(name) or _kind(value)
    cast = f"OData.CSC.{kind}Attribute"
    differs = operator == "ne" and kind in {"String", "Boolean"}
    comparison = _comparison(name, kind, "eq" if differs else operator, value)
    clause = f"Attributes/{cast}/any(att:att/Name eq {_quoted(name)} and att/{cast}/Value {comparison})"
    # CDSE OData: text takes eq alone. Products without the attribute pass here, and are seen to afterwards.
    return f"not {clause}" if differs else clause


def _comparison(name: str, kind: Kind, operator: Operator, value: Attribute) -> str:
    if kind in {"String", "Boolean"} and operator not in {"eq", "ne"}:
        raise SettingsError(f"{name} can be compared by = and != alone")
    return f"{operator} {_literal(name, kind, value)}"


def _kind(value: Attribute) -> Kind:
    match value:
        case bool():
            return "Boolean"
        case int():
            return "Integer"
        case float():
            return "Double"
        case _:
            return "String"


def _literal(name: str, kind: Kind, value: Attribute) -> str:
    try:
        match kind:
            case "Boolean":
                return _truth(value)
            case "Integer":
                return _whole(Decimal(str(value)))
            case "Double":
                return _decimal(float(value))
            case "DateTimeOffset":
                return _time(datetime.fromisoformat(str(value)))
            case "String":
                return _quoted(str(value))
    except (ArithmeticError, ValueError):
        raise SettingsError(f"{name} is of type {kind}, which {value!r} is not") from None


def _truth(value: Attribute) -> str:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")  # noqa: TRY004 every unusable value is the same error
    return "true" if value else "false"


def _whole(number: Decimal) -> str:
    if number != int(number):
        raise ValueError("not a whole number")
    return str(int(number))


def _decimal(number: float) -> str:
    if not isfinite(number):
        raise ValueError("not a number")
    return f"{Decimal(repr(number)):f}"  # never 1e-07


def _time(moment: datetime) -> str:
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    exact = aware.isoformat(timespec="microseconds" if aware.microsecond % 1000 else "milliseconds")
    return exact.replace("+00:00", "Z")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
