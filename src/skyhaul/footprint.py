"""Footprints: what their text says, and how much of an area they cover. Home of pyproj.

Footprints come as archives write them: split at the 180th meridian, jumping over it (176 to -179), with longitudes beyond 180,
around a pole, with holes, clockwise, crossing themselves, as lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, cast

import msgspec

from skyhaul.globe import filled, unrolled, wrapped
from skyhaul.model import Geometry, Product, Query

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_EQUAL_AREA = "EPSG:6933"
_EDGE_DEG = 1.0
_EDGES = 64
_CORNERS_MIN = 3
_LON_MAX = 720.0
_LAT_MAX = 90.01


def coverage(area_wkt: str, footprint: Geometry | None) -> float | None:
    """The percentage of the area that the footprint covers, measured on an equal-area projection; of points, the percentage of them.

    A point is covered by 100 or by 0. ``None`` where there is no footprint, or one without an extent (an altimeter's track).
    """
    import shapely

    shape = None if footprint is None else _shape(footprint)
    if shape is None:
        return None
    area, extent = _measured(area_wkt)
    if shape.covers(area):
        return 100.0
    if extent == 0:
        points = shapely.get_parts(area)
        return round(100.0 * float(shapely.covers(shape, points).mean()), 2)
    # The area is prepared: to see that a product lies in it takes a sixth of the time of cutting it out of ten thousand vertices.
    covered = _square_metres(shape if area.covers(shape) else shapely.intersection(area, shape))
    return round(min(100.0, 100.0 * covered / extent), 2)


def square_metres(wkt: str) -> float:
    """How large an area is, its edges straight in degrees. Points have no extent."""
    return _measured(wkt)[1]


def area_check(query: Query) -> Callable[[Product], bool] | None:
    """Whether a product lies in the query's area; ``None`` where the archive, which is asked for that very area, says it all.

    Where the archive is asked for a simpler area around it (``area_asked``), what comes has to be looked at again: then the result is
    that of the exact area. Edges are straight in degrees. A product without a footprint is believed to lie where the archive says.
    """
    if query.area is None or query.area_asked is None:
        return None
    area, _ = _measured(query.area)
    return lambda product: (shape := geometry(product.footprint)) is None or bool(area.intersects(shape))


def meets(area_wkt: str, footprint: Geometry | None) -> bool:
    """Whether an area and a footprint have a place in common; touching is enough. Nothing has one with no footprint."""
    shape = geometry(footprint)
    return shape is not None and bool(_measured(area_wkt)[0].intersects(shape))


def turned(area_wkt: str) -> str | None:
    """The area with its axes exchanged, as whoever writes latitude first has meant it; ``None`` where that lies on no globe."""
    import shapely

    area = shapely.from_wkt(area_wkt)
    west, _, east, _ = area.bounds
    return (
        shapely.transform(area, lambda positions: positions[:, ::-1]).wkt
        if -_LAT_MAX < west <= east < _LAT_MAX
        else None
    )


def geometry(footprint: Geometry | None) -> BaseGeometry | None:
    """The footprint as a geometry with longitudes from -180 to 180, mended where it has to be; ``None`` where there is none."""
    return None if footprint is None else _shape(footprint) or _track(footprint)


def extent(shape: BaseGeometry) -> float:
    """How much there is of a geometry: square metres of polygons, else metres of lines, else the number of points."""
    import shapely
    from pyproj import Geod

    if shape.is_empty:
        return 0.0
    match shapely.get_dimensions(shape):
        case 2:
            return _square_metres(shape)
        case 1:
            return float(Geod(ellps="WGS84").geometry_length(shape))
        case _:
            return float(len(shapely.get_parts(shape)))


def from_wkt(text: str | None) -> Geometry | None:
    """The geometry that WKT says, longitude first; ``None`` where it says none."""
    import shapely

    shape = shapely.from_wkt(text or None, on_invalid="ignore")
    return None if shape is None else cast("Geometry", msgspec.json.decode(shapely.to_geojson(shape)))


@lru_cache(maxsize=16)
def _measured(wkt: str) -> tuple[BaseGeometry, float]:
    import shapely

    area = shapely.from_wkt(wkt)
    shapely.prepare(area)
    return area, _square_metres(area)


def _square_metres(geometry: BaseGeometry) -> float:
    import shapely

    if geometry.is_empty:
        return 0.0
    # A slanting edge is straight in degrees, not on the projection: short edges keep the difference below a thousandth.
    west, south, east, north = geometry.bounds
    edge_deg = min(_EDGE_DEG, max(east - west, north - south) / _EDGES) or _EDGE_DEG
    return float(shapely.transform(shapely.segmentize(geometry, edge_deg), _projection()).area)


@cache
def _projection() -> Callable[[Any], Any]:
    import numpy as np
    from pyproj import Transformer

    transformer = Transformer.from_crs("EPSG:4326", _EQUAL_AREA, always_xy=True)
    return lambda positions: np.column_stack(transformer.transform(positions[:, 0], positions[:, 1]))


def bounds(footprint: Geometry) -> list[float]:
    """West, south, east and north of the positions as they are written; nothing where there are none."""
    found = list(_positions(footprint.get("coordinates")))
    if not found:
        return []
    lons, lats = zip(*found, strict=True)
    return [min(lons), min(lats), max(lons), max(lats)]


def _positions(nested: Any) -> Iterator[tuple[float, float]]:
    """All positions, however deep; what is none is passed over."""
    if not isinstance(nested, list | tuple) or not nested:
        return
    if isinstance(nested[0], int | float):
        if len(nested) > 1 and isinstance(nested[1], int | float):
            yield nested[0], nested[1]
        return
    for each in nested:
        yield from _positions(each)


def _coordinates(footprint: Geometry) -> Sequence[Any]:
    """The coordinates; none of a footprint that lies on no globe."""
    coordinates = footprint.get("coordinates")
    if not isinstance(coordinates, list | tuple) or not (corners := bounds(footprint)):
        return ()
    west, south, east, north = corners
    return coordinates if west >= -_LON_MAX and east <= _LON_MAX and -_LAT_MAX <= south <= north <= _LAT_MAX else ()


def _shape(footprint: Geometry) -> BaseGeometry | None:
    """The footprint as valid polygons with longitudes from -180 to 180; ``None`` where it has no extent."""
    import shapely

    kind = footprint.get("type")
    if kind not in {"Polygon", "MultiPolygon"}:
        return None
    coordinates = _coordinates(footprint)
    polygons = [coordinates] if kind == "Polygon" else coordinates
    shapes = [_polygon(rings) for rings in polygons if rings and len(rings[0]) >= _CORNERS_MIN]
    return shapely.union_all(shapes) if shapes else None


def _track(footprint: Geometry) -> BaseGeometry | None:
    """The footprint as lines or points with longitudes from -180 to 180; ``None`` where it is neither."""
    import shapely

    coordinates = _coordinates(footprint)
    if not coordinates:
        return None
    match footprint.get("type"):
        case "LineString":
            lines = [coordinates]
        case "MultiLineString":
            lines = list(coordinates)
        case "Point":
            return wrapped(shapely.Point(coordinates[:2]))
        case "MultiPoint":
            return shapely.union_all([wrapped(shapely.Point(each[:2])) for each in coordinates])
        case _:
            return None
    return shapely.union_all([wrapped(shapely.LineString(unrolled(line))) for line in lines if len(line) > 1])


def _polygon(rings: Sequence[Sequence[Sequence[float]]]) -> BaseGeometry:
    shell, *holes = (wrapped(_sound(filled(ring))) for ring in rings if len(ring) >= _CORNERS_MIN)
    for hole in holes:
        shell = shell.difference(hole)
    return shell


def _sound(shape: BaseGeometry) -> BaseGeometry:
    import shapely

    return shape if shape.is_valid else shapely.make_valid(shape)
