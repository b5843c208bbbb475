"""Areas in documents: GeoJSON, WKT, KML and lists of corners, as text. All their features together are the area, holes stay holes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException, ElementTree

from skyhaul.area.given import place, ring_of_text
from skyhaul.area.shapes import Outline, Shapes, check_ring
from skyhaul.globe import Position

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_KINDS = ("POINT", "POLYGON", "MULTIPOLYGON", "LINESTRING", "MULTILINESTRING", "MULTIPOINT", "GEOMETRYCOLLECTION")
_HEAD = r"\s*(?:geography')?\s*(?:SRID\s*=\s*(\d+)\s*;)?\s*"
_WKT = re.compile(_HEAD + r"([A-Za-z]+?)\s*(?:Z|M|ZM)?\s*(\(.*\)|EMPTY)\s*'?\s*", re.DOTALL | re.IGNORECASE)
_BEGUN = re.compile(rf"{_HEAD}(?:{'|'.join(_KINDS)})\s*(?:Z|M|ZM)?\s*\(", re.IGNORECASE)
_HUGE = re.compile(r"[\d.]+[eE]\+?\d{3,}|\d{300,}|\b(?:nan|inf\w*)\b", re.IGNORECASE)
_CRS84 = re.compile(r"(?:^|[:/])(?:CRS84|EPSG[:/](?:[\d.]*[:/])?4326)$", re.IGNORECASE)


def is_document(written: str) -> bool:
    """Whether text looks like a document itself, rather than like the name of one."""
    return (
        written.startswith(("{", "<"))
        or (written.startswith("[") and written.endswith("]"))
        or bool(ring_of_text(written))
        or _BEGUN.match(written) is not None
        or _WKT.fullmatch(written) is not None
    )


def of_text(content: str, where: str) -> Shapes:
    """What ``content`` holds; ``where`` is how errors call it."""
    start = content.lstrip("\ufeff \t\r\n")
    if start.startswith(("{", "[")):
        return _of_json(start, where)
    if start.startswith("<"):
        return _of_kml(start, where)
    if positions := ring_of_text(start.rstrip()):
        return place(positions)
    return _of_wkt(start, where)


def _of_json(content: str, where: str) -> Shapes:
    try:
        document = json.loads(content)
        return place(document) if isinstance(document, list) else of_mapping(document)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is not valid JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"{where} is nested too deeply") from None


def of_mapping(document: Mapping[str, Any], crs: object = None) -> Shapes:
    """What GeoJSON holds. ``crs`` is what its object says of itself beside it."""
    name = document.get("crs") if crs is None else crs
    if isinstance(name, Mapping):
        about = name.get("properties")
        name = about.get("name", about) if isinstance(about, Mapping) else about
    if name is not None and not _CRS84.search(str(name)):
        raise ValueError(
            f"its coordinates are in {str(name)[:80]}; give degrees, EPSG:4326 ('ogr2ogr -t_srs EPSG:4326' converts)"
        )
    shapes = Shapes()
    for where, geometry in _geometries(document):
        _take(shapes, where, geometry)
    if not shapes.points and not shapes.polygons:
        raise ValueError("it holds no geometry")
    return shapes


def of_geometry(shapes: Shapes, geometry: BaseGeometry, where: str) -> None:
    """Add a geometry that a library has read."""
    if geometry.is_empty:
        return
    match geometry.geom_type:
        case "MultiPolygon" | "MultiPoint" | "GeometryCollection":
            for part in geometry.geoms:
                of_geometry(shapes, part, where)
        case "Point":
            shapes.points.append((geometry.x, geometry.y))
        case "Polygon":
            rings = (geometry.exterior, *geometry.interiors)
            shapes.polygons.append(Outline(where, [[(lon, lat) for lon, lat, *_ in ring.coords] for ring in rings]))
        case kind:
            raise ValueError(f"{where} is a {kind}; an area is made of polygons, or of points")


def _geometries(document: Mapping[str, Any], where: str = "the geometry") -> Iterator[tuple[str, Mapping[str, Any]]]:
    kind = document.get("type")
    if kind == "FeatureCollection":
        for number, feature in enumerate(_list(document, "features"), start=1):
            yield from _geometries(feature, f"feature {number}")
    elif kind == "Feature":
        geometry = document.get("geometry")
        if not isinstance(geometry, Mapping | None):
            raise ValueError(f"it is not GeoJSON: {str(geometry)[:40]!r} is no geometry")
        if geometry is not None:
            yield from _geometries(geometry, where)
    elif kind == "GeometryCollection":
        for member in _list(document, "geometries"):
            yield from _geometries(member, where)
    else:
        yield where, document


def _list(document: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    found = document.get(key)
    if not isinstance(found, list | tuple) or not all(isinstance(each, Mapping) for each in found):
        raise ValueError(f"it is not GeoJSON: a {document['type']} needs a list of {key}")
    return found


def _take(shapes: Shapes, where: str, geometry: Mapping[str, Any]) -> None:
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    match kind:
        case "Point":
            shapes.points.append(_position(where, coordinates))
        case "MultiPoint":
            shapes.points += [_position(where, each) for each in _sequence(where, coordinates)]
        case "Polygon" | "MultiPolygon":
            for part in [coordinates] if kind == "Polygon" else _sequence(where, coordinates):
                if rings := [_ring(where, ring) for ring in _sequence(where, part)]:
                    shapes.polygons.append(Outline(where, rings))
        case "LineString" | "MultiLineString":
            raise ValueError(f"{where} is a {kind}; an area is made of polygons, or of points")
        case _:
            raise ValueError(f"it is not GeoJSON: {kind!r} is no type of geometry")


def _sequence(where: str, found: object) -> Sequence[Any]:
    if not isinstance(found, list | tuple):
        raise ValueError(f"the coordinates of {where} are not nested as GeoJSON nests them")  # noqa: TRY004 every unusable value is the same error
    return found


def _position(where: str, found: object) -> Position:
    numbers = _sequence(where, found)
    try:
        if len(numbers) > 1 and all(isinstance(each, int | float) and isfinite(each) for each in numbers[:2]):
            return float(numbers[0]), float(numbers[1])
    except OverflowError:
        pass  # a whole number of hundreds of digits
    raise ValueError(f"{where} has a position {str(found)[:80]}; a position is [longitude, latitude]")


def _ring(where: str, found: object) -> list[Position]:
    ring = [_position(where, each) for each in _sequence(where, found)]
    check_ring(where, ring)
    return ring


def _of_wkt(content: str, where: str) -> Shapes:
    import shapely

    found = _WKT.fullmatch(content)
    if found is None and _BEGUN.match(content):
        raise ValueError(f"{where} is not valid WKT: the last parenthesis is missing")
    if found is None or found[2].upper() not in _KINDS:
        raise ValueError(f"{where} is neither GeoJSON, WKT nor KML: {content.strip()[:40]!r}")
    srid, kind, body = found.groups()
    if srid not in {None, "4326"}:
        raise ValueError(f"its coordinates are in EPSG:{srid}; give degrees, EPSG:4326")
    if huge := _HUGE.search(body):
        raise ValueError(f"{huge[0][:40]} is no position of WKT: longitude latitude")
    if kind.upper().endswith("POLYGON"):
        for ring in re.findall(r"\(([^()]+)\)", body):
            check_ring("the polygon", [_wkt_position(each) for each in ring.split(",")])
    try:
        geometry = shapely.force_2d(shapely.from_wkt(f"{kind.upper()} {body}"))
    except shapely.GEOSException as error:
        raise ValueError(f"{where} is not valid WKT: {error}") from None
    shapes = Shapes()
    of_geometry(shapes, geometry, "the geometry")
    return shapes


def _wkt_position(written: str) -> Position:
    try:
        lon, lat = (float(number) for number in written.split()[:2])
    except ValueError:
        raise ValueError(f"{written.strip()!r} is not a position of WKT: longitude latitude") from None
    return lon, lat


def _of_kml(content: str, where: str) -> Shapes:
    """The polygons and points of all placemarks. KML is in degrees, longitude first (OGC KML 2.2); its namespaces vary."""
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, DefusedXmlException) as error:
        raise ValueError(f"{where} is not valid KML: {error}") from None
    if _tag(root) != "kml":
        raise ValueError(f"{where} is XML, but no KML: it is a {_tag(root)}")
    shapes = Shapes()
    for number, placemark in enumerate(_within(root, "Placemark"), start=1):
        _take_placemark(shapes, f"placemark {number}", placemark)
    if not shapes.points and not shapes.polygons:
        raise ValueError("it holds no geometry")
    return shapes


def _take_placemark(shapes: Shapes, where: str, placemark: Element) -> None:
    for element in placemark.iter():
        match _tag(element):
            case "Polygon":
                outer = [
                    ring for boundary in _within(element, "outerBoundaryIs") for ring in _coordinates(where, boundary)
                ]
                inner = [
                    ring for boundary in _within(element, "innerBoundaryIs") for ring in _coordinates(where, boundary)
                ]
                rings = [*outer, *inner]
                for ring in rings:
                    check_ring(where, ring)
                if rings:
                    shapes.polygons.append(Outline(where, rings))
            case "Point":
                shapes.points += [position for found in _coordinates(where, element) for position in found]
            case "LineString" | "Track" as kind:
                raise ValueError(f"{where} is a {kind}; an area is made of polygons, or of points")


def _coordinates(where: str, element: Element) -> list[list[Position]]:
    return [
        [_kml_position(where, written) for written in (found.text or "").split()]
        for found in _within(element, "coordinates")
    ]


def _kml_position(where: str, written: str) -> Position:
    try:
        lon, lat = (float(number) for number in written.split(",")[:2])
    except ValueError:
        raise ValueError(f"{where} has a position {written!r}; KML writes longitude,latitude") from None
    return lon, lat


def _within(element: Element, tag: str) -> list[Element]:
    return [each for each in element.iter() if _tag(each) == tag]


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
