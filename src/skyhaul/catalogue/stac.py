"""What STAC catalogues answer: items and collections of items turned into products (pure).

Strict about what a product cannot do without (its id), tolerant where recorded replies differ: null geometries, assets without sizes or
digests, a Product asset called ``Product``, ``product``, ``PRODUCT`` or not there, its address at one host or another, names that
are not the id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from skyhaul.catalogue.entities import SAID_MAX, instead, moment
from skyhaul.errors import CatalogueError
from skyhaul.model import Attribute, Product
from skyhaul.protocols import Page
from skyhaul.transfer.checksum import of_multihash

_WHOLE = ("product", "netcdf")
"""Assets that are the whole product, in lower case."""
_PREVIEWS = ("thumbnail", "quicklook")
_FIELDS = frozenset({"datetime", "start_datetime", "end_datetime", "published", "updated"})
_COUNTERPARTS = {
    "eo:cloud_cover": "cloudCover",
    "grid:code": "tileId",
    "processing:datetime": "processingDate",
    "product:timeliness_category": "timeliness",
    "product:type": "productType",
    "sar:instrument_mode": "operationalMode",
    "eopf:instrument_mode": "operationalMode",
    "sat:absolute_orbit": "orbitNumber",
    "sat:orbit_cycle": "cycleNumber",
    "sat:orbit_state": "orbitDirection",
    "sat:relative_orbit": "relativeOrbitNumber",
}
"""What CDSE OData calls the same property, with the same values but for those of :func:`_worded`."""

# CDSE STAC: mosaics have Products(('<id>', 'n/a', …)).
_ID = re.compile(r"/Products\(\W*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")


class _Alternate(Struct, gc=False):
    href: str = ""


class _Asset(Struct):
    href: str = ""
    roles: list[str] | None = None
    alternate: dict[str, _Alternate] | None = None
    size: float = field(name="file:size", default=0)  # CDSE STAC: 1302405.0 occurs
    checksum: str | None = field(name="file:checksum", default=None)
    local_path: str | None = field(name="file:local_path", default=None)

    def hrefs(self) -> Iterator[str]:
        yield self.href
        yield from (each.href for each in (self.alternate or {}).values())


class _Link(Struct):
    rel: str = ""
    href: str = ""
    method: str = "GET"
    body: Any = None
    merge: bool = False


class _Item(Struct):
    id: Annotated[str, Meta(min_length=1)]
    type: str = ""
    collection: str | None = None
    geometry: dict[str, Any] | None = None
    properties: dict[str, Any] = {}
    assets: dict[str, _Asset] = {}


class _Context(Struct):
    matched: int | None = None


class _Reply(Struct):
    """``features`` are of a collection of items; what else there is tells an item from an error."""

    type: str = ""
    features: list[_Item] | UnsetType = UNSET
    links: list[_Link] = []
    matched: int | None = field(name="numberMatched", default=None)
    context: _Context | None = None
    code: Any = None
    description: Any = None
    detail: Any = None
    error: Any = None
    message: Any = None


_reply = msgspec.json.Decoder(_Reply)
_item = msgspec.json.Decoder(_Item)


def parse_items(body: bytes, *, provider: str) -> Page:
    """The products of a FeatureCollection, or of one item.

    A product's id is that of CDSE OData where an asset tells it, else the item's. Sizes and checksums are those of the zip, or of the
    single file. ``next_link`` is for a GET: where the next page has to be posted for, :func:`next_request` knows. A page may be empty
    and the last although the page before it has a link.

    Raises:
        CatalogueError: the body is something else; says what.
    """
    try:
        reply = _reply.decode(body)
        items = _items(reply, body, provider)
    except msgspec.DecodeError as error:
        raise CatalogueError(f"the catalogue of {provider} answered with {instead(body, error)}") from error
    link = None if reply.type == "Feature" else _next(reply)
    return Page(
        products=tuple(_product(item, provider) for item in items),
        total=reply.context.matched if reply.matched is None and reply.context else reply.matched,
        next_link=link.href if link and link.method.upper() == "GET" else None,
    )


def next_request(body: bytes) -> str | None:
    """The next page's request, where it has to be posted, as JSON text: ``href``, ``body`` and ``merge``.

    With ``merge`` the body holds only what differs from the request before.

    Raises:
        CatalogueError: the body is no STAC reply; says what.
    """
    try:
        link = _next(_reply.decode(body))
    except msgspec.DecodeError as error:
        raise CatalogueError(f"a STAC catalogue answered with {instead(body, error)}") from error
    if link is None or link.method.upper() != "POST":
        return None
    return msgspec.json.encode({"href": link.href, "body": link.body, "merge": link.merge}).decode()


def _items(reply: _Reply, body: bytes, provider: str) -> list[_Item]:
    if not isinstance(reply.features, UnsetType):
        return reply.features
    if reply.type == "Feature":
        return [_item.decode(body)]
    said = next(
        (each for each in (reply.detail, reply.message, reply.description, reply.error, reply.code) if each), None
    )
    if reply.type or said is None:
        raise CatalogueError(f"the catalogue of {provider} answered with a {reply.type or 'reply'} that holds no items")
    raise CatalogueError(f"the catalogue of {provider} refused: {str(said)[:SAID_MAX]}")


def _next(reply: _Reply) -> _Link | None:
    return next((link for link in reply.links if link.rel == "next" and link.href), None)


def _product(item: _Item, provider: str) -> Product:
    attributes = _attributes(item.properties)
    whole = next((asset for name, asset in item.assets.items() if name.lower() in _WHOLE), _Asset())
    checksum = of_multihash(whole.checksum or "")
    # The file has the product's own name, which the id is not always (CDSE STAC: L2__O3_TCL of Sentinel-5P).
    stem = (whole.local_path or "").rpartition("/")[2].removesuffix(".zip") or item.id
    path = _s3_path(item, stem)
    product_type = attributes.get("productType")
    return Product(
        id=_product_id(item, whole),
        name=path.rpartition("/")[2] if path else stem,
        provider=provider,
        collection=item.collection,
        product_type=None if product_type is None else str(product_type),
        start=_time(item, "start_datetime", "datetime"),
        end=_time(item, "end_datetime", "datetime"),
        published=_time(item, "published"),
        modified=_time(item, "updated"),
        size=max(int(whole.size), 0) or None,
        checksums=(checksum,) if checksum else (),
        footprint=item.geometry,
        s3_path=path,
        quicklook_url=_quicklook(item),
        attributes=attributes,
    )


def _time(item: _Item, *names: str) -> datetime | None:
    stated = next((item.properties[name] for name in names if item.properties.get(name)), None)
    return None if stated is None else moment(str(stated), item.id)


def _product_id(item: _Item, whole: _Asset) -> str:
    assets = (whole, *item.assets.values())
    return next((found[1] for asset in assets for href in asset.hrefs() if (found := _ID.search(href))), item.id)


def _s3_path(item: _Item, stem: str) -> str | None:
    """Where the product is in its bucket: the path of an asset as far as the component that begins with ``stem``."""
    paths = (_in_bucket(href) for asset in item.assets.values() for href in asset.hrefs())
    pattern = re.compile(rf"[^/]+/(?:[^/]+/)*?{re.escape(stem)}[^/]*")
    return next((found[0] for path in paths if (found := pattern.match(path))), None)


def _in_bucket(href: str) -> str:
    """``bucket/key`` of an address on S3; empty for any other. The retired catalogue of CDSE leaves the scheme out."""
    return "" if "://" in href.removeprefix("s3://") else href.removeprefix("s3://").lstrip("/")


def _quicklook(item: _Item) -> str | None:
    previews = (asset for name, asset in item.assets.items() if name.lower() in _PREVIEWS)
    return next(
        (href for asset in previews for href in asset.hrefs() if href.startswith(("https://", "http://"))), None
    )


def _attributes(properties: Mapping[str, Any]) -> dict[str, Attribute]:
    return {
        _COUNTERPARTS.get(name, name): _worded(name, value)
        for name, value in properties.items()
        if name not in _FIELDS and isinstance(value, str | int | float | bool)
    }


def _worded(name: str, value: Attribute) -> Attribute:
    """The value in the words of CDSE OData: ``DESCENDING``, ``31TCL``, and clouds as a decimal."""
    match name, value:
        case "sat:orbit_state", str():
            return value.upper()
        case "grid:code", str():
            return value.removeprefix("MGRS-")
        case "eo:cloud_cover", int():
            return float(value)
        case _:
            return value
