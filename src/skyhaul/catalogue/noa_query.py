"""What is asked of the NOA mirror: its OData is that of the Copernicus catalogue without names, collections and counts (pure)."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote, urlencode

from skyhaul.catalogue.odata import filter_text
from skyhaul.errors import SettingsError
from skyhaul.model import Condition, Query, TimeInterval
from skyhaul.protocols import Slice
from skyhaul.values import meant
from skyhaul.vocabulary import BASELINE, TYPES

ASKED = frozenset(
    {
        *("collection", "product_types", "sensing", "published", "area", "cloud_min", "cloud_max", "orbit_direction"),
        *("platform", "polarisation", "mode", "timeliness", "where", "online", "ids"),
    }
)
"""The fields of a query that the mirror is asked for."""

ATTRIBUTES = frozenset(
    {
        *("platformShortName", "productType", "platformSerialIdentifier", "instrumentShortName", "cloudCover"),
        *("polarisationChannels", "orbitDirection", "timeliness", "processingLevel", "operationalMode"),
        "processingMode",
    }
)
"""What the mirror knows of a product; its answers tell none of it."""

NAMED = frozenset({BASELINE, "relativeOrbitNumber", "orbitNumber", "cycleNumber", "datatakeID", "tileId"})
"""What the mirror does not know of a product, and names of some missions tell."""

ORDERS = ("start", "-start")
PAGE = 50
"""The mirror's own example; larger pages slow the server."""

_JOINED = re.compile(r"'([HV]{2})&([HV]{2})'")


def page_url(root: str, part: Slice, skip: int = 0) -> str:
    """The address of the page of ``part`` that begins at ``skip``.

    Spaces are ``%20``, and ``():,=;/`` stay as they are, or the mirror answers 400.

    Raises:
        SettingsError: the query has something that the mirror cannot be asked, nor its answers tell.
    """
    if part.query.order_by not in ORDERS:
        raise SettingsError("the NOA mirror orders by start alone")
    direction = "desc" if part.query.order_by == "-start" else "asc"
    options = [
        ("$filter", _filter(part.query, part.interval)),
        ("$orderby", f"ContentDate/Start {direction}"),
        ("$top", str(PAGE)),
        ("$skip", str(skip) if skip else ""),
    ]
    given = [(name, value) for name, value in options if value]
    return f"{root.rstrip('/')}/Products?{urlencode(given, quote_via=quote, safe='$():,=;/')}"


def _filter(query: Query, interval: TimeInterval) -> str:
    asked = replace(speakable(query), rules=tuple(speakable(rule) for rule in query.rules))
    return _JOINED.sub(r"'\1,\2'", filter_text(asked, interval))


def speakable(query: Query) -> Query:
    """The query in conditions on attributes alone. What is left out is compared with names, here.

    Raises:
        SettingsError: the query has something that the mirror cannot be asked, nor its answers tell.
    """
    asked = tuple(each for each in query.where if each.attribute not in NAMED)
    if unknown := [each.attribute for each in asked if each.attribute not in ATTRIBUTES]:
        raise SettingsError(f"the NOA mirror does not know {unknown[0]}; {meant(unknown[0], ATTRIBUTES | NAMED)}")
    if differing := [each.attribute for each in asked if each.operator == "ne" and TYPES[each.attribute] == "String"]:
        # Whether a product has the attribute at all the mirror does not tell.
        raise SettingsError(
            f"the NOA mirror cannot be asked for a {differing[0]} that differs: name what is wanted, {differing[0]} in (…)"
        )
    missions = [each for each in (query.collection, query.platform) if each]
    where = tuple(condition for mission in missions for condition in _of_mission(mission))
    return replace(
        query, collection=None, platform=None, names=(), tiles=(), relative_orbit=None, where=(*asked, *where)
    )


def by_name(query: Query) -> tuple[Condition, ...]:
    """The conditions that are compared with names."""
    return tuple(each for each in query.where if each.attribute in NAMED)


def _of_mission(text: str) -> tuple[Condition, ...]:
    """A collection or platform in the mirror's attributes; Sentinel-5P is known by its one instrument."""
    found = re.fullmatch(r"S(?:ENTINEL-)?(\d)(P|[A-D])?", text.upper())
    if found is None:
        raise SettingsError(f"the NOA mirror has no {text}: it mirrors Sentinels")
    if found[2] == "P":
        return (Condition(attribute="instrumentShortName", operator="eq", value="TROPOMI"),)
    mission = Condition(attribute="platformShortName", operator="eq", value=f"SENTINEL-{found[1]}")
    unit = (Condition(attribute="platformSerialIdentifier", operator="eq", value=found[2]),) if found[2] else ()
    return (mission, *unit)
