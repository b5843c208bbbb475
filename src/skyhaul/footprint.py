"""Footprints: what their text says, and how much of an area they cover. Home of pyproj.

Footprints come as archives write them: split at the 180th meridian, jumping over it (176 to -179), with longitudes beyond 180,
around a pole, with holes, clockwise, crossing themselves, as lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, cast

import msgspec

from skyhaul.model import Geometry

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_EQUAL_AREA = "EPSG:6933"
_HALF_TURN = 180.0
_TURN = 360.0


def coverage(area_wkt: str, footprint: Geometry | None) -> float | None:
    """The percentage of the area that the footprint covers, measured on an equal-area projection.

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
        return 0.0
    covered = _square_metres(shapely.intersection(area, shape))
    return round(min(100.0, 100.0 * covered / extent), 2)


def from_wkt(text: str | None) -> Geometry | None:
    """The geometry that WKT says, longitude first; ``None`` where it says none."""
    import shapely

    shape = shapely.from_wkt(text or None, on_invalid="ignore")
    return None if shape is None else cast("Geometry", msgspec.json.decode(shapely.to_geojson(shape)))


@lru_cache(maxsize=16)
def _measured(wkt: str) -> tuple[BaseGeometry, float]:
    import shapely

    area = shapely.from_wkt(wkt)
    return area, _square_metres(area)


def _square_metres(geometry: BaseGeometry) -> float:
    import shapely

    # A slanting edge is straight in degrees, not on the projection: with an edge a degree long at most the difference does not matter.
    return float(shapely.transform(shapely.segmentize(geometry, 1.0), _projection()).area)


@cache
def _projection() -> Callable[[Any], Any]:
    import numpy as np
    from pyproj import Transformer

    transformer = Transformer.from_crs("EPSG:4326", _EQUAL_AREA, always_xy=True)
    return lambda positions: np.column_stack(transformer.transform(positions[:, 0], positions[:, 1]))


def _shape(footprint: Geometry) -> BaseGeometry | None:
    """The footprint as valid polygons with longitudes from -180 to 180."""
    import shapely

    kind, coordinates = footprint.get("type"), footprint.get("coordinates")
    if kind not in {"Polygon", "MultiPolygon"} or not isinstance(coordinates, list | tuple):
        return None
    polygons = [coordinates] if kind == "Polygon" else coordinates
    shapes = [_polygon(rings) for rings in polygons if rings]
    return shapely.union_all(shapes) if shapes else None


def _polygon(rings: Sequence[Sequence[Sequence[float]]]) -> BaseGeometry:
    shell, *holes = (_wrapped(_filled(ring)) for ring in rings)
    for hole in holes:
        shell = shell.difference(hole)
    return shell


def _filled(ring: Sequence[Sequence[float]]) -> BaseGeometry:
    """The inside of a ring, with longitudes that go on beyond 180 rather than jump."""
    import shapely
    from shapely.geometry import Polygon

    turns = 0.0
    before = float(ring[0][0])
    positions: list[tuple[float, float]] = []
    for lon, lat, *_ in ring:
        # An edge of a full turn runs along the edge of the map.
        if _HALF_TURN < abs(lon - before) < _TURN:
            turns += _TURN if lon < before else -_TURN
        positions.append((lon + turns, float(lat)))
        before = lon
    start, end = positions[0][0], positions[-1][0]
    if abs(end - start) > _HALF_TURN:
        pole = 90.0 if sum(lat for _, lat in positions) > 0 else -90.0
        positions += [(end, pole), (start, pole), positions[0]]
    filled = Polygon(positions)
    return filled if filled.is_valid else shapely.make_valid(filled)


def _wrapped(shape: BaseGeometry) -> BaseGeometry:
    """The same places with longitudes from -180 to 180."""
    import shapely
    from shapely.affinity import translate

    west, _, east, _ = shape.bounds
    if west >= -_HALF_TURN and east <= _HALF_TURN:
        return shape
    lows = (-_HALF_TURN - 2 * _TURN, -_HALF_TURN - _TURN, -_HALF_TURN, _HALF_TURN, _HALF_TURN + _TURN)
    turns = [
        translate(shapely.intersection(shape, shapely.box(low, -90, low + _TURN, 90)), -_HALF_TURN - low)
        for low in lows
    ]
    return shapely.union_all([turn for turn in turns if turn.area > 0])
