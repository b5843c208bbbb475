"""What the older archives answer: resto, DHuS OpenSearch and DHuS OData v1 turned into products (pure).

Strict about ids and names, tolerant where recorded replies differ. Zeros, -1 and empty texts that stand for "not known" are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import quote
from xml.etree.ElementTree import Element

import msgspec
from defusedxml import DefusedXmlException, ElementTree
from msgspec import Meta, Struct, field

from skyhaul.catalogue.entities import SAID_MAX, instead, mission, moment
from skyhaul.errors import CatalogueError
from skyhaul.model import Attribute, Checksum, Geometry, Product
from skyhaul.protocols import Page
from skyhaul.vocabulary import TYPES

_Required = Annotated[str, Meta(min_length=1)]

_COLLECTION = re.compile(r"Sentinel-?(\d.*)", re.IGNORECASE)
_BASELINE = re.compile(r"_N(\d\d)(\d\d)_")
_SIZE = re.compile(r"([\d.]+) ([KMGT]?)B")
_DATE = re.compile(r"/Date\((-?\d+)\)/")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_RESTO_FIELDS = frozenset(
    "cloudClover cloudCover collection completionDate description gmlgeometry processingBaseline productIdentifier published quicklook "
    "resourceChecksum resourceSize startDate status thumbnail title updated".split()
)
_DHUS_FIELDS = frozenset("filename footprint gmlfootprint identifier size status uuid".split())
_COUNTERPARTS = {
    "cloudcoverpercentage": "cloudCover",
    "cycle": "cycleNumber",
    "cyclenumber": "cycleNumber",
    "instrumentshortname": "instrumentShortName",
    "mgrs": "tileId",
    "missiondatatakeid": "datatakeID",
    "orbitdirection": "orbitDirection",
    "orbitnumber": "orbitNumber",
    "passdirection": "orbitDirection",
    "platform": "platformSerialIdentifier",
    "polarisation": "polarisationChannels",
    "polarisationmode": "polarisationChannels",
    "processingbaseline": "processingBaseline",
    "processinglevel": "processingLevel",
    "producttype": "productType",
    "relativeorbitnumber": "relativeOrbitNumber",
    "sensorMode": "operationalMode",
    "sensoroperationalmode": "operationalMode",
    "slicenumber": "sliceNumber",
    "tileid": "tileId",
    "Cloud cover percentage": "cloudCover",
    "Cycle number": "cycleNumber",
    "Instrument mode": "operationalMode",
    "Orbit number (start)": "orbitNumber",
    "Pass direction": "orbitDirection",
    "Polarisation": "polarisationChannels",
    "Processing baseline": "processingBaseline",
    "Processing level": "processingLevel",
    "Product type": "productType",
    "Relative orbit (start)": "relativeOrbitNumber",
    "Slice number": "sliceNumber",
}
"""What CDSE OData calls the same attribute."""


class _Link(Struct):
    rel: str = ""
    href: str = ""


class _Download(Struct):
    size: int | None = None


class _Services(Struct):
    download: _Download | None = None


class _Storage(Struct):
    mode: str = ""


class _Told(Struct, rename="camel"):
    """``status`` is 0 in older answers, for what is online; ``geometry`` beside it may be an empty list."""

    title: _Required
    collection: str | None = None
    product_identifier: str | None = None
    product_type: str | None = None
    start_date: str | None = None
    completion_date: str | None = None
    published: str | None = None
    updated: str | None = None
    status: str | int | None = None
    storage: _Storage | None = None
    services: _Services | None = None
    resource_size: int | None = None
    resource_checksum: str | None = None
    quicklook: str | None = None
    thumbnail: str | None = None
    cloud_cover: float | None = None
    cloud_clover: float | None = None


class _Feature(Struct):
    id: _Required
    properties: msgspec.Raw
    geometry: Any = None


class _Paging(Struct, rename="camel"):
    total_results: int | None = None
    exact_count: bool | Literal[0, 1] | None = None
    links: list[_Link] = []


class _Collection(Struct):
    type: Literal["FeatureCollection"]
    features: list[_Feature]
    properties: _Paging = field(default_factory=_Paging)
