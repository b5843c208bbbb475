"""What restricts a query or one of its rules, read from where it was set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

from skyhaul import values
from skyhaul.catalogue.rules import fragment
from skyhaul.errors import SettingsError
from skyhaul.keys import KEYS
from skyhaul.layers import Given, Layers
from skyhaul.model import Condition, Query, TimeInterval
from skyhaul.vocabulary import BASELINE, CLOUDLESS

Reader = Callable[[object], Any]

_SCALARS = {
    "orbit_direction": "orbitDirection",
    "relative_orbit": "relativeOrbitNumber",
    "mode": "operationalMode",
    "timeliness": "timeliness",
}
"""Fields of a query for one value; several of them are a condition on this attribute."""

_ATTRIBUTES = {
    "serial": "platformSerialIdentifier",
    "instrument": "instrumentShortName",
    "level": "processingLevel",
    "proc_mode": "processingMode",
}
"""Keys that are conditions on an attribute."""


def read(layers: Layers, section: str, name: str) -> Any:
    """The decoded value of a key, ``None`` where no place gives one."""
    key = KEYS[f"{section}.{name}"]
    return layers.read(key.path, key.read, key.several, listed=key.listed)


def restricted(query: Query, layers: Layers, *, now: datetime, collection: Reader) -> Query:
    """``query`` with what restricts it, rules included; ``collection`` reads the name of one.

    Raises:
        SettingsError: something cannot be used; says which, where it was given, and what is accepted.
    """
    either = _restrictions(query, layers, now=now, collection=collection)
    given = layers.find("query.rule")
    if given is None:
        return replace(either[0], platform=None, rules=_platforms(either)) if len(either) > 1 else either[0]
    if len(either) > 1:
        raise SettingsError(f"{layers.said('query.platform')} stands beside rules: name each platform in a rule")
    rules = tuple(chain.from_iterable(_rules(given, either[0], now, collection)))
    return replace(either[0], rules=rules)


def _platforms(either: tuple[Query, ...]) -> tuple[Query, ...]:
    return tuple(Query(platform=each.platform) for each in either)


def _rules(given: Given, query: Query, now: datetime, collection: Reader) -> list[tuple[Query, ...]]:
    written = [given.value] if isinstance(given.value, str | dict) else given.value
    if not isinstance(written, list | tuple):
        raise SettingsError(f"{given.label}: write one or several tables, [[query.rule]]")
    pieces = chain.from_iterable(each.split(";") if isinstance(each, str) else [each] for each in written)
    rules = [each for each in pieces if not isinstance(each, str) or each.strip()]
    if not rules:
        raise SettingsError(f"{given.label}: write KEY=VALUE, such as platform=SENTINEL-2,cloud_max=20")
    label = "{0}" if len(rules) == 1 else "{0} (number {1})"
    return [
        _rule(replace(given, value=each, label=label.format(given.label, number)), query, now, collection)
        for number, each in enumerate(rules, start=1)
    ]


def _rule(given: Given, query: Query, now: datetime, collection: Reader) -> tuple[Query, ...]:
    label = given.label
    try:
        table = fragment(given.value)
    except ValueError as error:
        raise SettingsError(f"{label}: {error}") from None
    layer = {
        f"query.{key}": Given(path=f"query.{key}", value=value, label=f"{label}: {key}", folder=given.folder)
        for key, value in table.items()
    }
    found = _restrictions(Query(), Layers([layer]), now=now, collection=collection)
    if query.collection and found[0].collection not in {None, query.collection}:
        raise SettingsError(
            f"{label}: {found[0].collection} is asked for beside {query.collection}, no product is both"
        )
    return found


def _restrictions(query: Query, layers: Layers, *, now: datetime, collection: Reader) -> tuple[Query, ...]:
    """``query`` restricted; once for each of several platforms."""
    said = partial(read, layers, "query")
    one, where = _scalars(said)
    found = replace(
        query,
        collection=layers.read("query.collection", collection),
        product_types=said("product_type") or (),
        sensing=interval(layers, "start", "end", now),
        published=interval(layers, "published_start", "published_end", now),
        tiles=said("tile") or (),
        cloud_min=said("cloud_min"),
        cloud_max=said("cloud_max"),
        season=said("season"),
        names=said("name") or (),
        ids=said("id") or (),
        where=(*chain.from_iterable(said("where") or ()), *where, *_datatakes(layers), *_baselines(said)),
        online=said("online"),
        **one,
    )
    _check_cloud(found)
    platforms = said("platform") or (None,)
    return tuple(replace(found, platform=each) for each in platforms)


def _scalars(said: Callable[[str], Any]) -> tuple[dict[str, Any], list[Condition]]:
    """Fields for those keys that have one value, conditions for those that have several."""
    one: dict[str, Any] = {}
    where = [_among(attribute, found) for name, attribute in _ATTRIBUTES.items() if (found := said(name))]
    for name, attribute in _SCALARS.items():
        if found := said(name):
            if len(found) == 1:
                one[name] = found[0]
            else:
                where.append(_among(attribute, found))
    if channels := said("polarisation"):
        if len(channels) == 1:
            one["polarisation"] = channels[0]
        else:
            # CDSE OData: VV&VH and VH&VV both occur.
            turned = ("&".join(reversed(each.split("&"))) for each in channels)
            where.append(_among("polarisationChannels", tuple(dict.fromkeys((*channels, *turned)))))
    return one, where


def _among(attribute: str, found: tuple[Any, ...]) -> Condition:
    if len(found) == 1:
        return Condition(attribute=attribute, operator="eq", value=found[0])
    return Condition(attribute=attribute, operator="in", value=found)


def _datatakes(layers: Layers) -> list[Condition]:
    found = read(layers, "query", "datatake") or ()
    grouped = [(name, list(each)) for name, each in groupby(found, key=attrgetter("attribute"))]
    if len(grouped) > 1:
        raise SettingsError(
            f"{layers.said('query.datatake')}: no product is of a Sentinel-1 and of a Sentinel-2 datatake; "
            "name each in a rule of its own"
        )
    return [_among(name, tuple(each.value for each in conditions)) for name, conditions in grouped]


def _baselines(said: Callable[[str], Any]) -> list[Condition]:
    """Of baselines that are named one has to match, and bounds have to hold all."""
    found = list(chain.from_iterable(said("baseline") or ()))
    named = tuple(each.value for each in found if each.operator == "eq")
    return [*([_among(BASELINE, named)] if named else []), *(each for each in found if each.operator != "eq")]


def _check_cloud(query: Query) -> None:
    if query.cloud_min is not None and query.cloud_max is not None and query.cloud_min > query.cloud_max:
        raise SettingsError(
            f"cloud_min {query.cloud_min:g} is above cloud_max {query.cloud_max:g}: nothing lies between them"
        )
    if query.collection in CLOUDLESS and (query.cloud_min is not None or query.cloud_max is not None):
        raise SettingsError(f"{query.collection} knows no cloud cover: leave cloud_min and cloud_max out")


def interval(layers: Layers, start: str, end: str, now: datetime) -> TimeInterval:
    """The time between two keys, each of which may be missing."""
    first = layers.read(f"query.{start}", partial(values.moment, now=now))
    after = layers.read(f"query.{end}", partial(values.moment, now=now, is_end=True))
    said = [layers.said(f"query.{name}") for name in (start, end)]
    if first is not None and first > now:
        raise SettingsError(f"{said[0]} is in the future: nothing can have been acquired since")
    if first is not None and after is not None and first >= after:
        raise SettingsError(f"{said[1]} is not after {said[0]}: are they swapped?")
    return TimeInterval(start=first, end=after)
