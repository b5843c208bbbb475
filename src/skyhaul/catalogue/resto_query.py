"""What is asked of a resto in the manner of PEPS: the collections of a query, the address of a page (pure).

resto 2 bounds the sensing start by both dates; before that the second bounded the end of sensing. To miss nothing either way more is asked
for than is wanted, by :data:`LONGEST`: whoever reads the page leaves out what begins later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from skyhaul.catalogue.odata import shapes
from skyhaul.errors import SettingsError
from skyhaul.model import Query, TimeInterval

ASKED = frozenset({"collection", "product_types", "sensing", "area", "relative_orbit", "mode"})
"""The fields of a query that the server is asked for exactly, or nearly so."""

PAGE_MAX = 500
LONGEST = timedelta(hours=2)
"""No product of the archive was sensed for longer."""

SINGLE_TILES = datetime(2016, 12, 5, tzinfo=UTC)
"""PEPS: from then on Sentinel-2 is one tile a product, in a collection of its own."""

_NAME = re.compile(r"\w+")
_MODE_TYPE = re.compile(r"(?:S[1-6]|IW|EW|WV)_(RAW|SLC|GRD|OCN)[A-Z_]_[012][A-Z]", re.IGNORECASE)


def collections(query: Query, interval: TimeInterval) -> tuple[str, ...]:
    """Where to look: ``S1``, ``S2`` and ``S2ST``, ``S3``; the archive's own names are taken as they are.

    Raises:
        SettingsError: the query names no collection.
    """
    name = (query.collection or "").upper()
    if not _NAME.fullmatch(name.replace("-", "_")):
        raise SettingsError("a resto is asked by collection: say --collection SENTINEL-1, SENTINEL-2 or SENTINEL-3")
    if name != "SENTINEL-2":
        return (name.replace("SENTINEL-", "S"),)
    before = interval.start is None or interval.start < SINGLE_TILES
    after = interval.end is None or interval.end > SINGLE_TILES
    return tuple(each for each, wanted in (("S2", before), ("S2ST", after)) if wanted)


def page_url(root: str, collection: str, query: Query, interval: TimeInterval, *, page: int, size: int) -> str:
    """The address of a page, counted from 1; products come latest first.

    Raises:
        SettingsError: several product types, or areas, which is one too many for a resto.
    """
    options = [*_options(query, interval), ("maxRecords", str(size)), ("page", str(page))]
    return f"{root.rstrip('/')}/api/collections/{collection}/search.json?{urlencode(options, quote_via=quote)}"


def _options(query: Query, interval: TimeInterval) -> Iterator[tuple[str, str]]:
    if interval.start is not None:
        yield "startDate", _stamp(interval.start)
    if interval.end is not None:
        yield "completionDate", _stamp(interval.end + LONGEST)
    if len(query.product_types) == 1:
        found = _MODE_TYPE.fullmatch(query.product_types[0])
        yield "productType", found[1].upper() if found else query.product_types[0]
    found_shapes = list(shapes(query.area_asked or query.area or ""))
    if len(found_shapes) == 1:
        yield "geometry", found_shapes[0]
    if query.relative_orbit is not None:
        yield "relativeOrbitNumber", str(query.relative_orbit)
    if query.mode:
        yield "sensorMode", query.mode


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
