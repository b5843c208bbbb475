"""What is asked of a DHuS: the Solr text of a query, the address of a page (pure).

Ranges are closed and times have milliseconds: a half-open span is asked for up to its last millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import quote, urlencode

from skyhaul.catalogue.here import ends_named
from skyhaul.catalogue.odata import shapes
from skyhaul.errors import SettingsError
from skyhaul.model import Query, TimeInterval
from skyhaul.protocols import Slice
from skyhaul.values import meant

ASKED = frozenset(
    {
        *("collection", "product_types", "sensing", "published", "area", "tiles", "cloud_min", "cloud_max"),
        *("orbit_direction", "relative_orbit", "platform", "polarisation", "mode", "timeliness", "names", "ids"),
    }
)
"""The fields of a query that the server is asked for exactly."""

URL_MAX = 3898
"""Characters of an encoded address, at most; what is longer is posted."""

ORDERS = {"start": "beginposition", "end": "endposition", "published": "ingestiondate"}
PLATFORMS = {
    "SENTINEL-1": "Sentinel-1",
    "SENTINEL-2": "Sentinel-2",
    "SENTINEL-3": "Sentinel-3",
    "SENTINEL-5P": "Sentinel-5 Precursor",
}
TIMELINESS = ("NR", "ST", "NT")

_MODE_TYPE = re.compile(r"(?:S[1-6]|IW|EW|WV)_(?:RAW_|SLC_|GRD[FHM_]|OCN_)_[012][A-Z]", re.IGNORECASE)
_SATELLITE = re.compile(r"S(?:ENTINEL-?)?(\d)([A-D]|P)?")
_TILE = re.compile(r"T?(\d{1,2})([A-Z]{3})")
_NAME = re.compile(r"[\w.*?-]+")
_SUFFIX = re.compile(r"(?:\.(?:SAFE|SEN3|EOF|nc))?(?:\.zip)?$", re.IGNORECASE)
_MS = timedelta(milliseconds=1)


def page_request(root: str, part: Slice, *, rows: int, start: int) -> tuple[str, bytes | None]:
    """The address of the products of ``part`` from ``start`` on, and what to post there where the address would be too long.

    Raises:
        SettingsError: a DHuS cannot be asked this.
    """
    return request(root, query_text(part.query, part.interval), order_by=part.query.order_by, rows=rows, start=start)


def request(root: str, text: str, *, order_by: str, rows: int, start: int) -> tuple[str, bytes | None]:
    """The address of a search, and its body where it has to be posted.

    Raises:
        SettingsError: products cannot be ordered so.
    """
    options = [("format", "json"), ("rows", str(rows)), ("start", str(start)), ("orderby", _order(order_by))]
    url, asked = f"{root.rstrip('/')}/search?{_encoded(options)}", _encoded([("q", text)])
    if len(url) + len(asked) < URL_MAX:
        return f"{url}&{asked}", None
    return url, asked.encode()


def query_text(query: Query, interval: TimeInterval) -> str:
    """The Solr text of ``query`` for sensing starts in ``interval``.

    Raises:
        SettingsError: a field has a value that a DHuS has no words for.
    """
    clauses = [
        _field("platformname", _platform_name(query.collection)) if query.collection else "",
        _any(_product_type(each) for each in query.product_types),
        _between("beginposition", interval),
        _between("ingestiondate", query.published),
        _any(_field("footprint", f"Intersects({shape})") for shape in shapes(query.area_asked or query.area or "")),
        _any(f"filename:*_T{_tile(tile)}_*" for tile in query.tiles),
        _clouds(query.cloud_min, query.cloud_max),
        _field("orbitdirection", query.orbit_direction.upper()) if query.orbit_direction else "",
        f"relativeorbitnumber:{query.relative_orbit}" if query.relative_orbit is not None else "",
        _platform(query.platform) if query.platform else "",
        _any(_field("polarisationmode", each) for each in _polarisations(query.polarisation or "")),
        _field("sensoroperationalmode", query.mode) if query.mode else "",
        _timeliness(query.timeliness) if query.timeliness else "",
        _any(map(_named, query.names)),
        _any(f"uuid:{each}" for each in query.ids),
    ]
    return " AND ".join(filter(None, clauses)) or "*"


def names_text(names: Iterable[str]) -> str:
    """The Solr text for products of these names, with or without suffix."""
    return _any(f"identifier:{_name(name)}" for name in names)


def _encoded(options: list[tuple[str, str]]) -> str:
    return urlencode(options, quote_via=quote, safe="")


def _order(order_by: str) -> str:
    field = order_by.removeprefix("-")
    if field not in ORDERS:
        raise SettingsError(f"a DHuS cannot order by {field}; {meant(field, ORDERS)}")
    return f"{ORDERS[field]} {'desc' if order_by.startswith('-') else 'asc'}"


def _field(name: str, text: str) -> str:
    if '"' in text or "\\" in text:
        raise SettingsError(f"{text!r} cannot be asked of a DHuS")
    return f'{name}:"{text}"'


def _any(clauses: Iterable[str]) -> str:
    found = list(clauses)
    return f"({' OR '.join(found)})" if len(found) > 1 else "".join(found)


def _between(name: str, interval: TimeInterval) -> str:
    if interval.open:
        return ""
    low = _stamp(interval.start + _MS - timedelta(microseconds=1)) if interval.start else "*"
    high = _stamp(interval.end - timedelta(microseconds=1)) if interval.end else "*"
    return f"{name}:[{low} TO {high}]"


def _stamp(moment: datetime) -> str:
    """To the millisecond, the rest cut off."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _platform_name(collection: str) -> str:
    if collection not in PLATFORMS:
        raise SettingsError(f"a DHuS has no {collection}; {meant(collection, PLATFORMS)}")
    return PLATFORMS[collection]


def _product_type(text: str) -> str:
    """Sentinel-1 has ``GRD`` for every mode of it; the mode is in the name alone."""
    return f"filename:S1?_{text.upper()}*" if _MODE_TYPE.fullmatch(text) else _field("producttype", text)


def _tile(tile: str) -> str:
    found = _TILE.fullmatch(tile.upper())
    if found is None:
        raise SettingsError(f"{tile!r} is not an MGRS tile such as 31TCL")
    return f"{int(found[1]):02d}{found[2]}"


def _clouds(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    return f"cloudcoverpercentage:[{_percent(low or 0.0)} TO {_percent(100.0 if high is None else high)}]"


def _percent(number: float) -> str:
    """All its digits, without an exponent."""
    return f"{Decimal(repr(number)).normalize():f}"


def _platform(text: str) -> str:
    found = _SATELLITE.fullmatch(text.upper())
    if found is None:
        raise SettingsError(f"{text!r} is not a satellite such as S2A, nor a mission such as SENTINEL-2")
    return f"filename:S{found[1]}{found[2]}_*" if found[2] else f"filename:S{found[1]}*"


def _polarisations(text: str) -> Iterator[str]:
    channels = re.findall(r"[HV]{2}", text.upper())
    yield from dict.fromkeys(filter(None, (" ".join(channels), " ".join(reversed(channels)))))


def _timeliness(text: str) -> str:
    # The field is worded differently from hub to hub; names of Sentinel-3 are clear.
    if text.upper() not in TIMELINESS:
        raise SettingsError(f"a DHuS knows the timeliness of Sentinel-3 alone; {meant(text, TIMELINESS)}")
    return f"filename:S3*_{text.upper()}_*"


def _named(pattern: str) -> str:
    """The identifier has no suffix: what is to end with one is looked for among the names of files."""
    if ends_named(pattern):
        return f"filename:{_checked(pattern.removesuffix('.zip'), pattern)}"
    return f"identifier:{_name(pattern)}"


def _name(pattern: str) -> str:
    return _checked(_SUFFIX.sub("", pattern), pattern)


def _checked(name: str, pattern: str) -> str:
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{pattern!r} is not a product name: letters, digits, _, -, . and *")
    return name
