"""What OpenSearch catalogues answer: resto (CDSE, PEPS) and DHuS, turned into products (pure).

Strict about ids and names, tolerant where recorded replies differ. What stands for "not known" (0, -1, an empty text) is left out.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from skyhaul.catalogue.entities import mission, moment
from skyhaul.catalogue.older import attributes, bytes_of, checksums, decoded, product_type, refuse
from skyhaul.errors import CatalogueError
from skyhaul.footprint import from_wkt
from skyhaul.model import Product
from skyhaul.protocols import Page

_Required = Annotated[str, Meta(min_length=1)]
_T = TypeVar("_T")

_BASELINE = re.compile(r"S2[A-D]_.*_N(\d\d)(\d\d)_")
_COLLECTION = re.compile(r"SENTINEL-?(\d\w*)", re.IGNORECASE)
_AT_ONCE = frozenset({"disk", "tier2"})
"""Storage from which a product comes at once; PEPS had a second tier of disks from 2024 on (peps_download, issue 48)."""


class _Link(Struct):
    rel: str = ""
    href: str = ""


class _Feature(Struct):
    """``geometry`` is an object, null or an empty list."""

    id: _Required
    properties: dict[str, Any]
    geometry: Any = None


class _Service(Struct):
    size: int | None = None


class _Told(Struct, rename="camel"):
    title: _Required
    collection: str | None = None
    product_identifier: str | None = None
    start_date: str | None = None
    completion_date: str | None = None
    published: str | None = None
    updated: str | None = None
    status: str | int | None = None
    storage: dict[str, str] = {}
    services: dict[str, _Service] = {}
    resource_size: int | None = None
    resource_checksum: str | None = None
    quicklook: str | None = None
    thumbnail: str | None = None


class _Paging(Struct, rename="camel"):
    """``exactCount`` is 0, 1, true or null."""

    total_results: int | None = None
    exact_count: bool | int | None = None
    links: list[_Link] = []


class _Resto(Struct):
    type: str = ""
    features: list[_Feature] | UnsetType = UNSET
    properties: Raw = Raw(b"{}")
    message: Any = field(name="ErrorMessage", default=None)
    code: Any = field(name="ErrorCode", default=None)
    detail: Any = None


class _Property(Struct):
    name: str = ""
    content: str = ""


_Group = list[_Property] | _Property | UnsetType


class _Entry(Struct):
    """Properties are grouped by type; a group is an object where it is one property."""

    id: _Required
    title: _Required
    link: list[_Link] = []
    texts: _Group = field(name="str", default=UNSET)
    dates: _Group = field(name="date", default=UNSET)
    ints: _Group = field(name="int", default=UNSET)
    longs: _Group = field(name="long", default=UNSET)
    doubles: _Group = field(name="double", default=UNSET)


class _Feed(Struct):
    """``entry`` is absent for none, an object for one, a list for more."""

    entry: list[_Entry] | _Entry | UnsetType = UNSET
    link: list[_Link] = []
    total: str | None = field(name="opensearch:totalResults", default=None)


class _Search(Struct):
    feed: _Feed | UnsetType = UNSET
    error: Any = None


def parse_resto(body: bytes, *, provider: str) -> Page:
    """The products of a resto search, or of one feature.

    The total is given only where the archive calls it exact. Of the checksums and ``online`` CDSE and PEPS each say one alone.

    Raises:
        CatalogueError: the body is something else, which errors with status 200 are too; says what.
    """
    reply = decoded(body, _Resto, provider)
    if not isinstance(reply.features, UnsetType):
        features = reply.features
        paging = decoded(bytes(reply.properties), _Paging, provider)
    elif reply.type == "Feature":
        features, paging = [decoded(body, _Feature, provider)], _Paging()
    else:
        refuse(provider, reply.message or reply.detail or (reply.code and f"error {reply.code}"))
    return Page(
        products=tuple(_of_feature(feature, provider) for feature in features),
        total=paging.total_results if paging.exact_count else None,
        next_link=next((link.href for link in paging.links if link.rel == "next"), None),
    )


def parse_dhus_search(body: bytes, *, provider: str) -> Page:
    """The products of a DHuS OpenSearch page in JSON.

    Sizes come from texts such as ``1.05 GB``: good for telling, not for verifying, and those of small products are far off. Whether a
    product is online, and its checksum, only its entity says.

    Raises:
        CatalogueError: the body is something else; says what.
    """
    reply = decoded(body, _Search, provider)
    feed = reply.feed
    if isinstance(feed, UnsetType):
        refuse(provider, reply.error)
    # The server writes the address as it understood it: nothing in it is encoded.
    link = next((quote(link.href, safe=":/?&=") for link in feed.link if link.rel == "next"), None)
    return Page(
        products=tuple(_of_entry(entry, provider) for entry in _several(feed.entry)),
        total=int(feed.total) if feed.total and feed.total.isdecimal() else None,
        next_link=link,
    )


def _of_feature(feature: _Feature, provider: str) -> Product:
    told = _converted(feature, provider)
    identifier = told.product_identifier or ""
    name = _suffixed(told.title, identifier.rpartition("/")[2])
    found = attributes(feature.properties)
    # The number 5.1 may be 05.10 or 05.01; the name is clear.
    if baseline := _BASELINE.match(name):
        found["processingBaseline"] = f"{baseline[1]}.{baseline[2]}"
    download = told.services.get("download", _Service())
    return Product(
        id=feature.id,
        name=name,
        provider=provider,
        collection=_collection(told.collection, name),
        product_type=product_type(found),
        start=moment(told.start_date, name),
        end=moment(told.completion_date, name),
        published=moment(told.published, name),
        modified=moment(told.updated, name),
        size=max(told.resource_size or download.size or 0, 0) or None,  # CDSE resto: 0 and -1 where not known
        checksums=checksums("MD5", told.resource_checksum),
        online=told.storage.get("mode") in _AT_ONCE if told.storage else told.status in {None, "ONLINE", 0},
        footprint=feature.geometry if isinstance(feature.geometry, dict) else None,
        s3_path=identifier.lstrip("/") if identifier.startswith("/eodata/") else None,
        quicklook_url=next((url for url in (told.quicklook, told.thumbnail) if url and url.startswith("http")), None),
        attributes=found,
    )


def _of_entry(entry: _Entry, provider: str) -> Product:
    texts, dates = ({each.name: each.content for each in _several(group)} for group in (entry.texts, entry.dates))
    numbers = {
        each.name: each.content for group in (entry.ints, entry.longs, entry.doubles) for each in _several(group)
    }
    name = texts.get("filename") or entry.title
    found = attributes({**texts, **numbers})
    return Product(
        id=entry.id,
        name=name,
        provider=provider,
        collection=_collection(texts.get("platformname"), name),
        product_type=product_type(found),
        start=moment(dates.get("beginposition"), name),
        end=moment(dates.get("endposition"), name),
        published=moment(dates.get("ingestiondate"), name),
        size=bytes_of(texts.get("size", "")),
        footprint=from_wkt(texts.get("footprint")),
        quicklook_url=next((link.href for link in entry.link if link.rel == "icon"), None),
        attributes=found,
    )


def _converted(feature: _Feature, provider: str) -> _Told:
    try:
        return msgspec.convert(feature.properties, _Told)
    except msgspec.ValidationError as error:
        raise CatalogueError(
            f"the catalogue of {provider} describes {feature.id} in an unknown way ({error})"
        ) from error


def _several(group: list[_T] | _T | UnsetType) -> list[_T]:
    return group if isinstance(group, list) else [] if isinstance(group, UnsetType) else [group]


def _suffixed(title: str, leaf: str) -> str:
    """The title, with the suffix of its folder where it has none itself."""
    return leaf if "." not in title and leaf.startswith(f"{title}.") else title


def _collection(said: str | None, name: str) -> str | None:
    """``Sentinel2``, ``Sentinel-2`` and ``SENTINEL-2`` are one; what has a name of its own keeps it."""
    found = _COLLECTION.fullmatch(said or "")
    return f"SENTINEL-{found[1].upper()}" if found else said or mission(name)
