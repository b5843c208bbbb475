"""What STAC catalogues answer: items and collections of items turned into products (pure). What they are asked: ``stac_search``.

Strict about what a product cannot do without (its id), tolerant where recorded replies differ: null geometries, assets without sizes or
digests, a Product asset called ``Product``, ``product``, ``PRODUCT`` or not there, its address at one host or another, names that
are not the id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from skyhaul.catalogue.entities import SAID_MAX, SCALARS, instead, moment
from skyhaul.catalogue.unwatched import unwatched
from skyhaul.errors import CatalogueError
from skyhaul.model import Attribute, Product
from skyhaul.protocols import Page
from skyhaul.transfer.checksum import of_multihash

_LOGINS = frozenset({"openIdConnect", "oauth2"})
"""Types of authentication schemes that somebody logs in for. An S3 scheme wants keys, and so shows in an address."""
_WHOLE = ("product", "netcdf")
"""Assets that are the whole product, in lower case."""
_PREVIEWS = ("thumbnail", "quicklook")
_FIELDS = frozenset({"datetime", "start_datetime", "end_datetime", "published", "updated"})
_COUNTERPARTS = {
    "eo:cloud_cover": "cloudCover",
    "grid:code": "tileId",
    "s2:mgrs_tile": "tileId",
    "s2:product_type": "productType",
    "s2:processing_baseline": "processingBaseline",
    "sar:product_type": "productType",
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


Read = Callable[["Item", str], Product]
"""The product that an item of an archive is."""


class Alternate(Struct, gc=False):
    """The same file at another place. ``auth`` are names of the item's authentication schemes."""

    href: str = ""
    auth: list[str] | None = field(name="auth:refs", default=None)


class Asset(Struct):
    """A file of an item."""

    href: str = ""
    type: str | None = None
    title: str | None = None
    description: str | None = None
    roles: list[str] | None = None
    alternate: dict[str, Alternate] | None = None
    size: float = field(name="file:size", default=0)  # CDSE STAC: 1302405.0 occurs
    checksum: str | None = field(name="file:checksum", default=None)
    local_path: str | None = field(name="file:local_path", default=None)
    auth: list[str] | None = field(name="auth:refs", default=None)
    gsd: float | None = None
    rasters: list[dict[str, Any]] | None = field(name="raster:bands", default=None)

    def hrefs(self) -> Iterator[str]:
        """Where the file is, the first place first."""
        yield from (href for href, _ in self.places())

    def places(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Where the file is, the first place first, and what opens each: names of authentication schemes."""
        yield self.href, self.auth or ()
        yield from ((each.href, each.auth or ()) for each in (self.alternate or {}).values())


class Link(Struct):
    """A way on from a reply."""

    rel: str = ""
    href: str = ""
    method: str = "GET"
    body: Any = None
    merge: bool = False


class Item(Struct):
    """What a STAC catalogue calls a product."""

    id: Annotated[str, Meta(min_length=1)]
    type: str = ""
    collection: str | None = None
    geometry: dict[str, Any] | None = None
    properties: dict[str, Any] = {}
    assets: dict[str, Asset] = {}

    def login(self, names: Sequence[str]) -> bool:
        """Whether one of the authentication schemes of these names wants somebody to log in (STAC authentication extension)."""
        schemes = self.properties.get("auth:schemes")
        told = schemes if isinstance(schemes, dict) else {}
        return any(isinstance(told.get(name), dict) and told[name].get("type") in _LOGINS for name in names)


class _Following(Struct, omit_defaults=True):
    href: str
    body: dict[str, Any] | None = None


class _Context(Struct):
    matched: int | None = None


class _Reply(Struct):
    """``features`` are of a collection of items; what else there is tells an item from an error."""

    type: str = ""
    features: list[Item] | UnsetType = UNSET
    links: list[Link] = []
    matched: int | None = field(name="numberMatched", default=None)
    returned: int | None = field(name="numberReturned", default=None)
    context: _Context | None = None
    code: Any = None
    description: Any = None
    detail: Any = None
    error: Any = None
    message: Any = None


_reply = msgspec.json.Decoder(_Reply)
_item = msgspec.json.Decoder(Item)


def parse_items(
    body: bytes, *, provider: str, read: Read | None = None, asked: Mapping[str, Any] | None = None
) -> Page:
    """The products of a FeatureCollection, or of one item, read as those of the Copernicus Data Space or by ``read``.

    ``asked`` is the body of the search that is answered: the request for the next page may build on it. ``next_link`` is for
    :func:`linked`. A page may be empty and the last although the page before it has a link.

    Raises:
        CatalogueError: the body is something else, or holds another number of items than it says; says what.
    """
    with unwatched():
        return _parsed(body, provider, read or whole_product, asked or {})


def _parsed(body: bytes, provider: str, read: Read, asked: Mapping[str, Any]) -> Page:
    try:
        reply = _reply.decode(body)
        items = _items(reply, body, provider)
    except msgspec.DecodeError as error:
        raise CatalogueError(f"the catalogue of {provider} answered with {instead(body, error)}") from error
    if reply.returned is not None and reply.returned != len(items):
        raise CatalogueError(
            f"the catalogue of {provider} answered with {len(items)} items and calls them {reply.returned}"
        )
    return Page(
        products=tuple(read(item, provider) for item in items),
        total=reply.context.matched if reply.matched is None and reply.context else reply.matched,
        next_link=None if reply.type == "Feature" else _next(reply, asked),
    )


def parse_all(body: bytes, *, provider: str) -> list[Item]:
    """The items of a reply, as they are.

    Raises:
        CatalogueError: the body is something else; says what.
    """
    try:
        return _items(_reply.decode(body), body, provider)
    except msgspec.DecodeError as error:
        raise CatalogueError(f"the catalogue of {provider} answered with {instead(body, error)}") from error


def parse_item(body: bytes, *, provider: str) -> Item:
    """The one item of a reply.

    Raises:
        CatalogueError: the body is something else; says what.
    """
    items = parse_all(body, provider=provider)
    if len(items) != 1:
        raise CatalogueError(f"the catalogue of {provider} answered with {len(items)} items where one was asked for")
    return items[0]


def linked(link: str) -> tuple[str, bytes | None]:
    """The address that a ``next_link`` means, and what is to be posted there; ``None`` for a GET."""
    found = msgspec.json.decode(link, type=_Following)
    return found.href, None if found.body is None else msgspec.json.encode(found.body)


def _items(reply: _Reply, body: bytes, provider: str) -> list[Item]:
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


def _next(reply: _Reply, asked: Mapping[str, Any]) -> str | None:
    """The request for the next page; with ``merge`` a link's body holds only what differs from the request before (STAC API: paging)."""
    link = next((link for link in reply.links if link.rel == "next" and link.href), None)
    if link is None:
        return None
    body = None
    if link.method.upper() == "POST":
        stated = link.body if isinstance(link.body, dict) else {}
        body = {**asked, **stated} if link.merge or not stated else stated
    return msgspec.json.encode(_Following(href=link.href, body=body)).decode()


def item_product(item: Item, provider: str) -> Product:
    """An item whose assets are the product, under the item's own id. Its size is known where that of each asset is."""
    attributes = attributes_of(item.properties)
    product_type = attributes.get("productType")
    sizes = [max(int(asset.size), 0) for asset in item.assets.values()]
    return Product(
        id=item.id,
        name=item.id,
        provider=provider,
        collection=item.collection,
        product_type=None if product_type is None else str(product_type),
        start=time_of(item, "start_datetime", "datetime"),
        end=time_of(item, "end_datetime", "datetime"),
        published=time_of(item, "published", "created"),
        modified=time_of(item, "updated"),
        size=sum(sizes) if sizes and all(sizes) else None,
        footprint=item.geometry,
        quicklook_url=_quicklook(item),
        attributes=attributes,
    )


def whole_product(item: Item, provider: str) -> Product:
    """An item that stands for a product of the Copernicus Data Space.

    The id is that of CDSE OData where an asset tells it, else the item's. Size and checksum are those of the zip, or of the single file.
    """
    attributes = attributes_of(item.properties)
    whole = next((asset for name, asset in item.assets.items() if name.lower() in _WHOLE), Asset())
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
        start=time_of(item, "start_datetime", "datetime"),
        end=time_of(item, "end_datetime", "datetime"),
        published=time_of(item, "published"),
        modified=time_of(item, "updated"),
        size=max(int(whole.size), 0) or None,
        checksums=(checksum,) if checksum else (),
        footprint=item.geometry,
        s3_path=path,
        quicklook_url=_quicklook(item),
        attributes=attributes,
    )


def time_of(item: Item, *names: str) -> datetime | None:
    """The first of the times that the item states.

    Raises:
        CatalogueError: it is no time.
    """
    stated = next((item.properties[name] for name in names if item.properties.get(name)), None)
    return None if stated is None else moment(str(stated), item.id)


def _product_id(item: Item, whole: Asset) -> str:
    assets = (whole, *item.assets.values())
    return next((found[1] for asset in assets for href in asset.hrefs() if (found := _ID.search(href))), item.id)


def _s3_path(item: Item, stem: str) -> str | None:
    """Where the product is in its bucket: the path of an asset as far as the component that begins with ``stem``."""
    paths = (_in_bucket(href) for asset in item.assets.values() for href in asset.hrefs())
    pattern = re.compile(rf"[^/]+/(?:[^/]+/)*?{re.escape(stem)}[^/]*")
    return next((found[0] for path in paths if (found := pattern.match(path))), None)


def _in_bucket(href: str) -> str:
    """``bucket/key`` of an address on S3; empty for any other. The retired catalogue of CDSE leaves the scheme out."""
    return "" if "://" in href.removeprefix("s3://") else href.removeprefix("s3://").lstrip("/")


def _quicklook(item: Item) -> str | None:
    previews = (asset for name, asset in item.assets.items() if name.lower() in _PREVIEWS)
    return next(
        (href for asset in previews for href in asset.hrefs() if href.startswith(("https://", "http://"))), None
    )


def attributes_of(properties: Mapping[str, Any]) -> dict[str, Attribute]:
    """What the properties say, under the names and in the words of CDSE OData where it has them."""
    found = {
        _COUNTERPARTS.get(name, name): _worded(name, value)
        for name, value in properties.items()
        if type(value) in SCALARS and name not in _FIELDS
    }
    channels = re.findall("[HV]{2}", str(properties.get("sar:polarizations", "")))
    found |= {"polarisationChannels": "&".join(channels)} if channels else {}
    return found | _datatake(str(properties.get("eopf:datatake_id") or properties.get("s2:datatake_id") or ""))


def _datatake(stated: str) -> dict[str, Attribute]:
    """The datatake under the name that CDSE OData has for it: of Sentinel-1 it is a number, of Sentinel-2 a text."""
    if stated.isdecimal():
        return {"datatakeID": int(stated)}
    return {"productGroupId": stated} if stated else {}


def counterpart(attribute: str) -> str:
    """What CDSE OData calls a STAC property; the name itself where it has no other."""
    return _COUNTERPARTS.get(attribute, attribute)


def _worded(name: str, value: Attribute) -> Attribute:
    """The value in the words of CDSE OData: ``DESCENDING``, ``31TCL``, and clouds as a decimal."""
    match name, value:
        case "sat:orbit_state", str():
            return value.upper()
        case "grid:code" | "s2:mgrs_tile", str():
            return value.removeprefix("MGRS-").removeprefix("T")
        case "eo:cloud_cover", int():
            return float(value)
        case _:
            return value
