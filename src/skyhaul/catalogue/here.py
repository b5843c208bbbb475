"""What of a query is left to us because the archive cannot be asked (pure).

A product is compared by what its archive tells of it. One that does not tell what is asked for does not match, as in the archives
themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from skyhaul.catalogue import baselines
from skyhaul.catalogue.told import Value, told
from skyhaul.errors import SettingsError
from skyhaul.footprint import area_check, meets
from skyhaul.model import Attribute, Condition, Operator, Product, Query, TimeInterval
from skyhaul.protocols import Here
from skyhaul.values import instant
from skyhaul.vocabulary import BASELINE

Check = Callable[[Product], bool]

ELSEWHERE = frozenset({"provider", "area_asked", "area_label", "latest_version", "order_by", "limit"})
"""Fields that choose nothing, or are seen to while products are handed on."""

_TILE = re.compile(r"_T(\d{2}[A-Z]{3})_")
_UNIT = re.compile(r"S(?:ENTINEL-?)?(\d)([A-D]|P)?(?:_.*)?")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:")
_NOW = datetime.max.replace(tzinfo=UTC)
"""Conditions name moments in full: none counts from now."""

_SUFFIX = re.compile(r"(?:\.(?:SAFE|SEN3|SEN6|EOF|nc))?(?:\.zip)?$", re.IGNORECASE)
_SUFFIXES = {"S1": ".SAFE", "S2": ".SAFE", "S3": ".SEN3", "S5": ".nc", "S6": ".SEN6"}
"""What names of a mission end with, where an archive leaves it out."""

_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    "eq": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge, "in": eq,
}  # fmt: skip
"""Each with one of the values wanted; any of them will do."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One thing that a product is compared with: what it is called, whether a product is as it should be, and whether it tells."""

    name: str
    keeps: Check
    tells: Check


def sorted_out(query: Query, *, asked: Collection[str], archive: str) -> Here | None:
    """What of ``query`` is filtered here, where the archive is asked for the fields in ``asked``.

    Raises:
        SettingsError: a field can be neither asked for nor filtered; names it and the archive.
    """
    left = [name for name in restricting(query) if name not in asked]
    if unknown := [name for name in left if name not in CHECKS]:
        raise SettingsError(
            f"{archive} cannot be asked for {unknown[0]}, and what it tells does not show it: leave it out"
        )
    checks = [CHECKS[name](query) for name in left]
    if "area" in asked and (inside := area_check(query)):
        checks.append(inside)
    if not checks:
        return None
    return Here(
        fields=tuple(left),
        keeps=lambda product: all(check(product) for check in checks),
        compared=tuple(dict.fromkeys(each for name in left for each in _called(name, query))),
        tells=_tells(query, left),
    )


def _called(name: str, query: Query) -> Iterator[str]:
    yield from (condition.attribute for condition in query.where) if name == "where" else (name,)


def _tells(query: Query, left: Sequence[str]) -> Mapping[str, Callable[[Product], bool | None]]:
    """By the name of what is compared here, whether a product tells it; ``None`` of those that something else leaves out."""
    own = [part for name in left if name != "rules" for part in _parts(name, query)]
    rules = query.rules if "rules" in left else ()
    sets = [own, *([*own, *(part for name in restricting(rule) for part in _parts(name, rule))] for rule in rules)]
    names = dict.fromkeys(part.name for parts in sets for part in parts)
    return {
        name: _teller(name, [parts for parts in sets if any(part.name == name for part in parts)]) for name in names
    }


def _parts(name: str, query: Query) -> Iterator[_Part]:
    if name == "where":
        for condition in query.where:
            yield _Part(condition.attribute, _condition(condition), _told_of(condition.attribute))
    else:
        yield _Part(name, CHECKS[name](query), TELLS.get(name, lambda _: True))


def _teller(name: str, sets: Sequence[Sequence[_Part]]) -> Callable[[Product], bool | None]:
    tells = [part.tells for parts in sets for part in parts if part.name == name]
    others = [[part for part in parts if part.name != name] for parts in sets]

    def tell(product: Product) -> bool | None:
        if any(each(product) for each in tells):
            return True
        wanted = any(all(part.keeps(product) or not part.tells(product) for part in parts) for parts in others)
        return False if wanted else None

    return tell


def restricting(query: Query) -> list[str]:
    """The fields by which ``query`` chooses."""
    usual = Query()
    return [
        each.name
        for each in fields(Query)
        if each.name not in ELSEWHERE and getattr(query, each.name) != getattr(usual, each.name)
    ]


def asks_online(query: Query) -> bool:
    """Whether ``query`` wants what is online, or what is not."""
    return any(
        part.online is not None or any(each.attribute == "Online" for each in part.where)
        for part in (query, *query.rules)
    )


def begins_in(interval: TimeInterval) -> Check:
    """Whether a product begins in ``interval``."""
    return lambda product: _within(product.start, interval)


def named(patterns: Sequence[str]) -> Check:
    """Whether a product has one of the names, exact or with ``*``; suffixes need not be there, which in some archives they are not.

    A pattern that ends with one, ``*.SEN3``, means it: of a name without suffix it is that of the mission.
    """
    whole = [pattern for pattern in patterns if ends_named(pattern)]
    stems = _union([_stem(pattern) for pattern in patterns if pattern not in whole])
    ends = _union([pattern.removesuffix(".zip") for pattern in whole])

    def check(product: Product) -> bool:
        names = filter(None, (product.name, str(product.attributes.get("s2:product_uri", ""))))
        return any(stems.fullmatch(_stem(name)) or ends.fullmatch(_suffixed(name)) for name in names)

    return check


def ends_named(pattern: str) -> bool:
    """Whether a name with ``*`` says what names are to end with."""
    return "*" in pattern and _stem(pattern) != pattern


def _union(patterns: Sequence[str]) -> re.Pattern[str]:
    found = "|".join(".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns)
    return re.compile(found or "(?!)", re.DOTALL)


def _stem(name: str) -> str:
    return _SUFFIX.sub("", name)


def _suffixed(name: str) -> str:
    return name.removesuffix(".zip") if _stem(name) != name else name + _SUFFIXES.get(name[:2].upper(), "")


def unit(text: str) -> str:
    """A mission or satellite in short: ``S2A`` for ``sentinel-2a``, ``S2`` for ``SENTINEL-2``; others in capitals."""
    found = _UNIT.fullmatch(text.upper())
    return f"S{found[1]}{found[2] or ''}" if found else text.upper()


def _within(when: datetime | None, interval: TimeInterval) -> bool:
    return (
        when is not None
        and (interval.start is None or when >= interval.start)
        and (interval.end is None or when < interval.end)
    )


def _platform(query: Query) -> Check:
    wanted = unit(query.platform or "")

    def check(product: Product) -> bool:
        attributes = product.attributes
        serial = f"{attributes.get('platformShortName', '')}{attributes.get('platformSerialIdentifier', '')}"
        stated = (str(attributes.get("platform", "")), serial, str(attributes.get("constellation", "")), product.name)
        return any(unit(text).startswith(wanted) for text in stated if text)

    return check


def _tiles(query: Query) -> Check:
    wanted = {tile.upper().removeprefix("T").zfill(5) for tile in query.tiles}

    def check(product: Product) -> bool:
        stated = str(product.attributes.get("tileId", "")).upper().removeprefix("MGRS-").removeprefix("T").zfill(5)
        found = _TILE.search(product.name)
        return stated in wanted or (found is not None and found[1] in wanted)

    return check


def _polarisation(query: Query) -> Check:
    wanted = set(re.findall(r"[HV]{2}", (query.polarisation or "").upper()))
    return lambda product: any(
        set(re.findall(r"[HV]{2}", str(found))) == wanted for found in told(product, "polarisationChannels")
    )


def _equal(attribute: str, wanted: object) -> Check:
    return lambda product: any(str(found).upper() == str(wanted).upper() for found in told(product, attribute))


def _bound(compare: Callable[[float, float], bool], attribute: str, bound: float | None) -> Check:
    def check(product: Product) -> bool:
        found = product.attributes.get(attribute)
        return bound is not None and isinstance(found, int | float) and compare(float(found), bound)

    return check


def _rules(query: Query) -> Check:
    """One rule at least, with all that it asks for."""
    rules = [[CHECKS[name](rule) for name in restricting(rule)] for rule in query.rules]
    return lambda product: any(all(check(product) for check in rule) for rule in rules)


def _where(conditions: Sequence[Condition]) -> Check:
    checks = [_condition(condition) for condition in conditions]
    return lambda product: all(check(product) for check in checks)


def _told_of(attribute: str) -> Check:
    if attribute == BASELINE:
        return lambda product: baselines.baseline(product) is not None or attribute in product.attributes
    return lambda product: bool(told(product, attribute))


def _condition(condition: Condition) -> Check:
    if condition.attribute == BASELINE:
        return lambda product: baselines.meets(condition, product)
    compare, differs = _COMPARE[condition.operator], condition.operator == "ne"

    def met(found: Value, wanted: Attribute) -> bool:
        try:
            return compare(*_alike(found, wanted))
        except (TypeError, ValueError):
            return False

    def check(product: Product) -> bool:
        found = told(product, condition.attribute)
        pairs = (met(each, wanted) for each in found for wanted in condition.values)
        return bool(found) and (all(pairs) if differs else any(pairs))

    return check


def _alike(found: Value, wanted: Attribute) -> tuple[object, object]:
    """Both as one type: moments where both are, numbers where one is, else texts."""
    match found:
        case datetime():
            return found, instant(wanted, _NOW)
        case bool() if isinstance(wanted, bool):
            return found, wanted
        case int() | float():
            return float(found), float(wanted)
        case str() if isinstance(wanted, int | float) and not isinstance(wanted, bool):
            return float(found), float(wanted)
        case str() if _MOMENT.match(found) and _MOMENT.match(str(wanted)):
            return instant(found, _NOW), instant(wanted, _NOW)
        case _:
            return str(found).lower() if isinstance(wanted, bool) else str(found), _text(wanted)


def _text(wanted: Attribute) -> str:
    return str(wanted).lower() if isinstance(wanted, bool) else str(wanted)


TELLS: Mapping[str, Check] = {
    "product_types": lambda product: product.product_type is not None,
    "published": lambda product: product.published is not None,
    "area": lambda product: product.footprint is not None,
    "tiles": lambda product: "tileId" in product.attributes or _TILE.search(product.name) is not None,
    **{
        name: _told_of(attribute)
        for name, attribute in {
            "cloud_min": "cloudCover",
            "cloud_max": "cloudCover",
            "orbit_direction": "orbitDirection",
            "relative_orbit": "relativeOrbitNumber",
            "polarisation": "polarisationChannels",
            "mode": "operationalMode",
            "timeliness": "timeliness",
        }.items()
    },
}
"""Whether a product says what a field is compared with, for those that not every archive tells."""

CHECKS: Mapping[str, Callable[[Query], Check]] = {
    "collection": lambda query: lambda product: (product.collection or "").upper() == (query.collection or "").upper(),
    "product_types": lambda query: lambda product: product.product_type in query.product_types,
    "sensing": lambda query: begins_in(query.sensing),
    "published": lambda query: lambda product: _within(product.published, query.published),
    "area": lambda query: lambda product: product.footprint is not None and meets(query.area or "", product.footprint),
    "tiles": _tiles,
    "cloud_min": lambda query: _bound(ge, "cloudCover", query.cloud_min),
    "cloud_max": lambda query: _bound(le, "cloudCover", query.cloud_max),
    "orbit_direction": lambda query: _equal("orbitDirection", query.orbit_direction),
    "relative_orbit": lambda query: _equal("relativeOrbitNumber", query.relative_orbit),
    "platform": _platform,
    "polarisation": _polarisation,
    "mode": lambda query: _equal("operationalMode", query.mode),
    "timeliness": lambda query: _equal("timeliness", query.timeliness),
    "names": lambda query: named(query.names),
    "ids": lambda query: lambda product: product.id in query.ids,
    "where": lambda query: _where(query.where),
    "season": lambda query: (
        lambda product: query.season is None or (product.start is not None and product.start in query.season)
    ),
    "rules": _rules,
    "online": lambda query: lambda product: product.online is query.online,
}
"""What can be filtered here, by field of the query."""
