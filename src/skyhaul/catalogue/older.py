"""What the dialects of older archives share: attributes, outlines in GML, sizes, times and refusals (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, TypeVar
from xml.etree.ElementTree import Element

import msgspec
from defusedxml import DefusedXmlException, ElementTree

from skyhaul.catalogue.entities import SAID_MAX, instead
from skyhaul.errors import CatalogueError
from skyhaul.model import Attribute, Checksum, Geometry
from skyhaul.vocabulary import TYPES

_T = TypeVar("_T")

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ([KMGT]?)B")
_TICKS = re.compile(r"/Date\((-?\d{1,14})\)/")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GML = "{http://www.opengis.net/gml}"

_COUNTERPARTS = {
    "cloudClover": "cloudCover",  # CDSE resto, beside the other spelling
    "cloudcoverpercentage": "cloudCover",
    "cycle": "cycleNumber",
    "cyclenumber": "cycleNumber",
    "instrumentshortname": "instrumentShortName",
    "mgrs": "tileId",
    "lastorbitnumber": "lastOrbitNumber",
    "lastrelativeorbitnumber": "lastRelativeOrbitNumber",
    "missiondatatakeid": "datatakeID",
    "orbitdirection": "orbitDirection",
    "orbitnumber": "orbitNumber",
    "polarisation": "polarisationChannels",
    "polarisationmode": "polarisationChannels",
    "processingbaseline": "processingBaseline",
    "processinglevel": "processingLevel",
    "producttype": "productType",
    "realtime": "timeliness",  # PEPS
    "relativeorbitnumber": "relativeOrbitNumber",
    "sensorMode": "operationalMode",
    "sensoroperationalmode": "operationalMode",
    "slicenumber": "sliceNumber",
    "swath": "swathIdentifier",
    "swathidentifier": "swathIdentifier",
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

# What the fields of a product say, geometries, pages of prose; and resto's baseline, a number that may mean two.
_TOLD_OTHERWISE = (
    "collection completionDate description gmlgeometry processingBaseline productIdentifier published quicklook resourceChecksum "
    "resourceSize startDate status thumbnail title updated filename footprint gmlfootprint identifier size uuid "
    "Filename Footprint Identifier Size"
)
_LEFT_OUT = frozenset(_TOLD_OTHERWISE.split()) | {"JTS footprint"}


def decoded(body: bytes, kind: type[_T], provider: str) -> _T:
    """The reply read as ``kind``.

    Raises:
        CatalogueError: it is something else; says what.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise CatalogueError(f"the catalogue of {provider} answered with {instead(body, error)}") from error


def refuse(provider: str, said: Any) -> NoReturn:
    """Raise what the reply says instead of products: a text, a message (resto), a message in a language (DHuS), or nothing."""
    match said:
        case {"ErrorMessage": str(text)} | {"message": {"value": str(text)}} | {"message": str(text)} | str(text):
            raise CatalogueError(f"the catalogue of {provider} refused: {text[:SAID_MAX]}")
        case None:
            raise CatalogueError(f"the catalogue of {provider} answered with JSON that holds no products")
        case _:
            raise CatalogueError(f"the catalogue of {provider} refused without a reason")


def checksums(algorithm: str | None, value: str | None) -> tuple[Checksum, ...]:
    """The one checksum of a product, or none."""
    return (Checksum(algorithm=algorithm.upper(), value=value.lower()),) if algorithm and value else ()


def product_type(attributes: Mapping[str, Attribute]) -> str | None:
    """The product type among attributes."""
    found = attributes.get("productType")
    return None if found is None else str(found)


def attributes(told: Mapping[str, Any]) -> dict[str, Attribute]:
    """The scalars among what is told of a product, under the names and with the types of CDSE OData where it has them."""
    found = {}
    for name, value in told.items():
        if name not in _LEFT_OUT and isinstance(value, str | int | float | bool):
            common = _COUNTERPARTS.get(name, name)
            with suppress(ValueError):
                found[common] = _worded(common, value)
    return found


def _worded(name: str, value: Attribute) -> Attribute:
    """The value as CDSE OData writes it.

    Raises:
        ValueError: it is empty, is no number where it should be, or stands for "not known": a cloud cover of -1, an orbit of 0.
    """
    if value == "" or (name == "cloudCover" and float(value) < 0):
        raise ValueError(value)
    match TYPES.get(name):
        case "Double":
            return float(value)
        case "Integer":
            number = int(value)
            if number == 0 and name in {"orbitNumber", "relativeOrbitNumber"}:
                raise ValueError(value)
            return number
        case _ if name == "orbitDirection":
            return str(value).upper()
        case _ if name == "polarisationChannels":
            return "&".join(re.findall("[HV]{2}", str(value)))
        case _:
            return value


def bytes_of(text: str) -> int | None:
    """The bytes that ``1.05 GB`` is, about; ``None`` for any other text."""
    found = _SIZE.fullmatch(text)
    return round(float(found[1]) * 1024 ** " KMGT".index(found[2] or " ")) if found else None


def ticks(text: str | None) -> datetime | None:
    """The moment that ``/Date(1448100236675)/`` is: milliseconds from 1970 on."""
    found = _TICKS.fullmatch(text or "")
    return _EPOCH + timedelta(milliseconds=int(found[1])) if found else None


def from_gml(text: str | None) -> Geometry | None:
    """The geometry that the polygons of GML 2 say, latitude first; ``None`` where there are none."""
    try:
        root = ElementTree.fromstring(text or "")
        polygons = [
            [_ring(ring) for ring in polygon.iter(f"{_GML}coordinates")] for polygon in root.iter(f"{_GML}Polygon")
        ]
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        return None
    match polygons:
        case []:
            return None
        case [one]:
            return {"type": "Polygon", "coordinates": one}
        case _:
            return {"type": "MultiPolygon", "coordinates": polygons}


def _ring(coordinates: Element) -> list[list[float]]:
    pairs = (pair.split(",") for pair in (coordinates.text or "").split())
    return [[float(lon), float(lat)] for lat, lon in pairs]
