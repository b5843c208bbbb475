"""Areas as people give them, turned into the WKT that archives take: degrees, EPSG:4326, longitude first. Home of shapely's reading side.

What cannot be used raises ``ValueError`` with the end of a sentence; an area is never repaired silently, since a repaired area is another
area. Shapely is imported by the functions that need it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

VERTICES_MAX = 300
"""What a filter in a URL can hold; CDSE names no limit, longer URLs are refused by proxies."""

_GRID_DEG = 1e-6
_POLE = 90.0
_HALF_TURN = 180.0
_TURN = 360.0
_WKT = re.compile(
    r"\s*(?:geography')?\s*(?:SRID\s*=\s*(\d+)\s*;)?\s*([A-Za-z]+)\s*(?:Z|M|ZM)?\s*(\(.*\)|EMPTY)\s*'?\s*",
    re.DOTALL | re.IGNORECASE,
)
_KINDS = ("POINT", "POLYGON", "MULTIPOLYGON", "LINESTRING", "MULTILINESTRING", "MULTIPOINT", "GEOMETRYCOLLECTION")
_CRS84 = re.compile(r"(?:^|:)(?:OGC:(?:1\.3:)?:?CRS84|EPSG:(?:[\d.]*:)?4326)$", re.IGNORECASE)

Position = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """An area as ``wkt``, and the ``label`` by which people know it again."""

    wkt: str
    label: str


def parse_area(
    *,
    bbox: object = None,
    aoi: object = None,
    point: object = None,
    folder: Path | None = None,
) -> Area:
    """The area that one of the three describes.

    Args:
        bbox: ``west,south,east,north``; where west exceeds east the box crosses the 180th meridian and becomes two.
        aoi: a GeoJSON or WKT file, GeoJSON or WKT itself, or ``-`` for stdin. All features together are the area.
        point: ``longitude,latitude``.
        folder: what a relative file belongs to.

    Raises:
        ValueError: it is not an area. The text is the end of a sentence.
    """
    if bbox is not None:
        return _from_bbox(bbox)
    if point is not None:
        return _from_point(point)
    return _from_aoi(aoi, folder or Path())


def _from_point(given: object) -> Area:
    lon, lat = _numbers(given, 2, "LON,LAT, such as 11.35,44.49")
    _check_positions([(lon, lat)])
    _check_longitudes(lon)
    return Area(wkt=f"POINT ({_degrees(lon)} {_degrees(lat)})", label=f"point {lon:g},{lat:g}")


def _from_bbox(given: object) -> Area:
    west, south, east, north = _numbers(given, 4, "W,S,E,N, such as 7,44,12,46")
    _check_positions([(west, south), (east, north)])
    _check_longitudes(west, east)
    if south >= north:
        raise ValueError(f"south, {south:g}, is not below north, {north:g}; the order is west,south,east,north")
    if west == east:
        raise ValueError(f"west and east are both {west:g}; for a single place use a point")
    label = f"bbox {west:g},{south:g},{east:g},{north:g}"
    if west < east:
        return Area(wkt=f"POLYGON ({_box(west, south, east, north)})", label=label)
    width = east + _TURN - west
    if width > _HALF_TURN:
        raise ValueError(
            f"west, {west:g}, is east of east, {east:g}: are they swapped? "
            f"Across the 180th meridian the box would be {width:g} degrees wide"
        )
    halves = [_box(*half) for half in ((west, south, 180.0, north), (-180.0, south, east, north)) if half[0] < half[2]]
    wkt = f"POLYGON ({halves[0]})" if len(halves) == 1 else f"MULTIPOLYGON (({halves[0]}), ({halves[1]}))"
    return Area(wkt=wkt, label=f"{label} (across the 180th meridian)")


def _box(west: float, south: float, east: float, north: float) -> str:
    return _wkt_ring(((west, south), (east, south), (east, north), (west, north), (west, south)))


def _degrees(value: float) -> str:
    # Adding zero turns -0.0 into 0.0.
    return f"{round(value, 6) + 0.0:.6f}".rstrip("0").rstrip(".")


def _numbers(given: object, count: int, form: str) -> tuple[float, ...]:
    parts: Sequence[object] = (
        given.split(",") if isinstance(given, str) else given if isinstance(given, list | tuple) else ()
    )
    try:
        found = tuple(float(part) for part in parts if isinstance(part, str | int | float))
    except ValueError:
        found = ()
    if len(found) != count or not all(isfinite(each) for each in found):
        raise ValueError(f"{given!r} is not written {form}")
    return found


def _check_positions(positions: Sequence[Position]) -> None:
    """Refuse what cannot be degrees, longitude first."""
    for lon, lat in positions:
        if max(abs(lon), abs(lat)) > _TURN:
            raise ValueError(
                f"{lon:g} {lat:g} looks like metres, as UTM has them; give degrees, EPSG:4326, longitude first"
            )
    for _, lat in positions:
        if abs(lat) > _POLE:
            raise ValueError(f"{lat:g} is no latitude; longitude comes first{_swapped(positions)}")


def _swapped(positions: Sequence[Position]) -> str:
    if any(abs(lon) > _POLE for lon, _ in positions):
        return ""
    if len(positions) > 2:  # noqa: PLR2004 more than the two corners of a box
        return ": are the axes swapped?"
    return ": did you mean " + ",".join(f"{lat:g},{lon:g}" for lon, lat in positions) + "?"


def _check_longitudes(*longitudes: float) -> None:
    for lon in longitudes:
        if abs(lon) > _HALF_TURN:
            meant = lon - _TURN if lon > 0 else lon + _TURN
            raise ValueError(f"{lon:g} is no longitude from -180 to 180: did you mean {meant:g}?")


def _from_aoi(given: object, folder: Path) -> Area:
    if isinstance(given, Mapping):
        return _area(_from_geojson(given), "area")
    if not isinstance(given, str | Path):
        raise ValueError(f"{given!r} is neither a file nor WKT")  # noqa: TRY004 every unusable value is the same error
    written = str(given).strip()
    if written == "-":
        return _area(_from_text(sys.stdin.read(), "stdin"), "stdin")
    if written.startswith("{") or _WKT.fullmatch(written):
        return _area(_from_text(written, "it"), "area")
    path = folder / Path(written).expanduser()
    try:
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}, and {written!r} is not WKT") from None
    except UnicodeDecodeError:
        raise ValueError(
            f"{path} is neither GeoJSON nor WKT; 'ogr2ogr -f GeoJSON area.geojson {path.name}' may convert it"
        ) from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None
    return _area(_from_text(content, str(path)), path.name)


def _from_text(content: str, where: str) -> list[BaseGeometry]:
    if content.lstrip().startswith("{"):
        try:
            return _from_geojson(json.loads(content))
        except json.JSONDecodeError as error:
            raise ValueError(f"{where} is not valid JSON: {error}") from None
    return _from_wkt(content, where)


def _from_geojson(document: Mapping[str, Any]) -> list[BaseGeometry]:
    crs = document.get("crs")
    name = crs.get("properties", {}).get("name") if isinstance(crs, Mapping) else None
    if name is not None and not _CRS84.search(str(name)):
        raise ValueError(
            f"its coordinates are in {name}; give degrees, EPSG:4326 ('ogr2ogr -t_srs EPSG:4326' converts)"
        )
    shapes = [shape for where, geometry in _geometries(document) for shape in _shapes(where, geometry)]
    if not shapes:
        raise ValueError("it holds no geometry")
    return shapes


def _geometries(document: Mapping[str, Any], where: str = "the geometry") -> Iterator[tuple[str, Mapping[str, Any]]]:
    kind = document.get("type")
    if kind == "FeatureCollection":
        for number, feature in enumerate(_list(document, "features"), start=1):
            yield from _geometries(feature, f"feature {number}")
    elif kind == "Feature":
        if document.get("geometry") is not None:
            yield from _geometries(document["geometry"], where)
    elif kind == "GeometryCollection":
        for member in _list(document, "geometries"):
            yield from _geometries(member, where)
    else:
        yield where, document


def _list(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = document.get(key)
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise ValueError(f"it is not GeoJSON: a {document['type']} needs a list of {key}")
    return found


def _shapes(where: str, geometry: Mapping[str, Any]) -> Iterator[BaseGeometry]:
    from shapely.geometry import Point, Polygon

    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "Point":
        yield Point(_position(where, coordinates))
    elif kind in {"Polygon", "MultiPolygon"}:
        for part in [coordinates] if kind == "Polygon" else _sequence(where, coordinates):
            if rings := [_ring(where, ring) for ring in _sequence(where, part)]:
                yield Polygon(rings[0], rings[1:])
    elif kind in {"MultiPoint", "LineString", "MultiLineString"}:
        raise ValueError(f"{where} is a {kind}; an area is a polygon or a single point")
    else:
        raise ValueError(f"it is not GeoJSON: {kind!r} is no type of geometry")


def _sequence(where: str, found: object) -> Sequence[Any]:
    if not isinstance(found, list | tuple):
        raise ValueError(f"the coordinates of {where} are not nested as GeoJSON nests them")  # noqa: TRY004 every unusable value is the same error
    return found


def _position(where: str, found: object) -> Position:
    numbers = _sequence(where, found)
    if len(numbers) < 2 or not all(isinstance(each, int | float) and isfinite(each) for each in numbers[:2]):  # noqa: PLR2004 two axes
        raise ValueError(f"{where} has a position {found!r}; a position is [longitude, latitude]")
    return float(numbers[0]), float(numbers[1])


def _ring(where: str, found: object) -> list[Position]:
    ring = [_position(where, each) for each in _sequence(where, found)]
    _check_ring(where, ring)
    return ring


def _check_ring(where: str, ring: Sequence[Position]) -> None:
    if not ring or ring[0] != ring[-1]:
        first = f"{ring[0][0]:g} {ring[0][1]:g}" if ring else "none"
        raise ValueError(f"a ring of {where} is not closed: its first position, {first}, has to be repeated at its end")
    if len(ring) < 4:  # noqa: PLR2004 a triangle and its first corner again
        raise ValueError(f"a ring of {where} has {len(ring)} positions; four are the least, the last like the first")


def _from_wkt(content: str, where: str) -> list[BaseGeometry]:
    import shapely

    found = _WKT.fullmatch(content)
    if found is None or found[2].upper() not in _KINDS:
        raise ValueError(f"{where} is neither GeoJSON nor WKT: {content.strip()[:40]!r}")
    srid, kind, body = found.groups()
    if srid not in {None, "4326"}:
        raise ValueError(f"its coordinates are in EPSG:{srid}; give degrees, EPSG:4326")
    if kind.upper().endswith("POLYGON"):
        for ring in re.findall(r"\(([^()]+)\)", body):
            _check_ring("the polygon", [_wkt_position(each) for each in ring.split(",")])
    try:
        geometry = shapely.force_2d(shapely.from_wkt(f"{kind.upper()} {body}"))
    except shapely.GEOSException as error:
        raise ValueError(f"{where} is not valid WKT: {error}") from None
    return list(_shapes_of(geometry))


def _wkt_position(written: str) -> Position:
    try:
        lon, lat = (float(number) for number in written.split()[:2])
    except ValueError:
        raise ValueError(f"{written.strip()!r} is not a position of WKT: longitude latitude") from None
    return lon, lat


def _shapes_of(geometry: BaseGeometry) -> Iterator[BaseGeometry]:
    if geometry.geom_type in {"MultiPolygon", "GeometryCollection"}:
        for part in geometry.geoms:
            yield from _shapes_of(part)
    elif geometry.geom_type in {"Polygon", "Point"}:
        if not geometry.is_empty:
            yield geometry
    else:
        raise ValueError(f"it is a {geometry.geom_type}; an area is a polygon or a single point")


def _area(shapes: list[BaseGeometry], label: str) -> Area:
    """All ``shapes`` together, checked, on a grid of a millionth of a degree, no longer than a filter can be."""
    import shapely

    if not shapes:
        raise ValueError("it is empty")
    for shape in shapes:
        _check_positions([(lon, lat) for lon, lat in shapely.get_coordinates(shape).tolist()])
    if any(shape.geom_type == "Point" for shape in shapes):
        return _only_point(shapes, label)
    for shape in shapes:
        _check_polygon(shape)
    whole = _within_half_turn(shapely.union_all(shapes))
    snapped = shapely.set_precision(whole, _GRID_DEG)
    if snapped.is_empty:
        raise ValueError("it is smaller than ten centimetres")
    simple = _simplified(snapped)
    if simple is not snapped:
        label = f"{label} (simplified outward to {shapely.get_num_coordinates(simple)} vertices)"
    return Area(wkt=_wkt(simple), label=label)


def _only_point(shapes: list[BaseGeometry], label: str) -> Area:
    if len(shapes) > 1:
        raise ValueError("it mixes points with other geometries; give polygons, or a single point")
    where = _from_point([shapes[0].x, shapes[0].y])
    return Area(wkt=where.wkt, label=label)


def _check_polygon(shape: BaseGeometry) -> None:
    import shapely

    for ring in (shape.exterior, *shape.interiors):
        for (west, _), (east, _) in zip(ring.coords, ring.coords[1:], strict=False):
            if _HALF_TURN < abs(east - west) < _TURN:
                raise ValueError(
                    f"an edge runs from longitude {west:g} to {east:g}: where it crosses the 180th meridian split the polygon there, "
                    "where it does not put positions between"
                )
    if not shape.is_valid:
        reason, _, place = shapely.is_valid_reason(shape).partition("[")
        what = "crosses itself" if "ntersection" in reason else f"is not a valid polygon ({reason.lower()})"
        raise ValueError(f"the polygon {what} near {place.rstrip(']')}" if place else f"the polygon {what}")


def _within_half_turn(whole: BaseGeometry) -> BaseGeometry:
    """The same places with longitudes from -180 to 180."""
    import shapely
    from shapely.affinity import translate

    west, _, east, _ = whole.bounds
    if west >= -_HALF_TURN and east <= _HALF_TURN:
        return whole
    turns = [
        translate(whole.intersection(shapely.box(low, -90, low + 360, 90)), -180 - low) for low in (-540, -180, 180)
    ]
    return shapely.union_all([turn for turn in turns if turn.area > 0])


def _simplified(whole: BaseGeometry) -> BaseGeometry:
    """A simpler area that covers ``whole``, where ``whole`` has too many vertices for a filter."""
    import shapely

    if shapely.get_num_coordinates(whole) <= VERTICES_MAX:
        return whole
    world = shapely.box(-180, -90, 180, 90)
    tolerance = 1e-4
    while tolerance < 10:  # noqa: PLR2004 degrees: nothing of the shape is left
        grown = (
            whole.simplify(tolerance)
            .buffer(tolerance * 1.1, join_style="mitre", mitre_limit=2.0)
            .simplify(tolerance * 0.1)
        )
        simple = shapely.set_precision(grown.intersection(world), _GRID_DEG)
        if shapely.get_num_coordinates(simple) <= VERTICES_MAX and simple.covers(whole):
            return simple
        tolerance *= 1.6
    return shapely.box(*whole.bounds)


def _wkt(geometry: BaseGeometry) -> str:
    from shapely.geometry.polygon import orient

    polygons = [orient(part) for part in getattr(geometry, "geoms", [geometry]) if part.geom_type == "Polygon"]
    parts = [f"({', '.join(_wkt_ring(ring.coords) for ring in (part.exterior, *part.interiors))})" for part in polygons]
    return f"POLYGON {parts[0]}" if len(parts) == 1 else f"MULTIPOLYGON ({', '.join(parts)})"


def _wkt_ring(positions: Iterable[Position]) -> str:
    return "(" + ", ".join(f"{_degrees(lon)} {_degrees(lat)}" for lon, lat in positions) + ")"
