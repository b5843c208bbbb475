"""Areas that are said in a few numbers or letters: boxes, points, circles, corners, MGRS tiles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from skyhaul.area.shapes import Area, Outline, Shapes, check_longitudes, check_positions, degrees, finished
from skyhaul.globe import HALF_TURN, TURN, Position, filled

if TYPE_CHECKING:
    from pyproj import Geod

RADIUS_MAX_KM = 5000.0
"""Circles beyond half a hemisphere have no use, and on a map no inside."""

_RADIUS_MIN_KM = 0.01
_NEARLY_M = 0.01
"""Corners come out a rounding error beside where they are."""

_TILE = re.compile(r"T?(\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])((?:\d\d){0,5})", re.IGNORECASE)
_PAIR = r"[+-]?\d+(?:\.\d*)?\s*,\s*[+-]?\d+(?:\.\d*)?"
_PAIRS = re.compile(rf"{_PAIR}(?:(?:\s*;\s*|\s+){_PAIR})*")

_EDGES = 128
_EDGE_DEG = 5.0
_HALVINGS = 10
_BEYOND = 1 + 3.2e-4
"""How far the corners of a circle lie outside it, so that no edge cuts it: its area is too large by 0.03 %."""

_SQUARE_M = 100_000
_TILE_M = 109_800
_PIXEL_M = 60
_FALSE_NORTHING_M = 10_000_000
_TILE_EDGE_M = 5_000.0


def point_area(given: object) -> Area:
    """``LON,LAT``."""
    lon, lat = _numbers(given, 2, "LON,LAT, such as 11.35,44.49")
    check_positions([(lon, lat)])
    check_longitudes(lon)
    return Area(wkt=f"POINT ({degrees(lon)} {degrees(lat)})", label=f"point {lon:g},{lat:g}")


def bbox_area(given: object) -> Area:
    """``W,S,E,N``; where west exceeds east it crosses the 180th meridian."""
    west, south, east, north = _numbers(given, 4, "W,S,E,N, such as 7,44,12,46")
    check_positions([(west, south), (east, north)])
    check_longitudes(west, east)
    if south >= north:
        raise ValueError(f"south, {south:g}, is not below north, {north:g}; the order is west,south,east,north")
    if west == east:
        raise ValueError(f"west and east are both {west:g}; for a single place use a point")
    label = f"bbox {west:g},{south:g},{east:g},{north:g}"
    if west < east:
        return Area(wkt=f"POLYGON ({_box(west, south, east, north)})", label=label)
    width = east + TURN - west
    if width > HALF_TURN:
        raise ValueError(
            f"west, {west:g}, is east of east, {east:g}: are they swapped? "
            f"Across the 180th meridian the box would be {width:g} degrees wide"
        )
    halves = [_box(*half) for half in ((west, south, 180.0, north), (-180.0, south, east, north)) if half[0] < half[2]]
    wkt = f"POLYGON ({halves[0]})" if len(halves) == 1 else f"MULTIPOLYGON (({halves[0]}), ({halves[1]}))"
    return Area(wkt=wkt, label=f"{label} (across the 180th meridian)")


def circle_area(given: object) -> Area:
    """``LON,LAT,RADIUS_KM``, on the ellipsoid: a polygon that covers the circle, too large by less than a thousandth."""
    from pyproj import Geod

    lon, lat, radius_km = _numbers(given, 3, "LON,LAT,RADIUS_KM, such as 11.35,44.49,25")
    check_positions([(lon, lat)])
    check_longitudes(lon)
    if not _RADIUS_MIN_KM <= radius_km <= RADIUS_MAX_KM:
        raise ValueError(f"a radius of {radius_km:g} km is not between {_RADIUS_MIN_KM:g} and {RADIUS_MAX_KM:g}")
    ring = _circle(Geod(ellps="WGS84"), (lon, lat), radius_km * 1000)
    return finished(_valid(ring), f"circle {lon:g},{lat:g},{radius_km:g} km")


def tile_area(written: str) -> Area:
    """The tile of Sentinel-2 of that name: its square of MGRS, and the strip in the east and south that it shares with its neighbours.

    With digits behind it is the square of MGRS that they name, and nothing beside it: 32TQR50 is 10 km wide, 32TQR5555500000 one metre.
    """
    from pyproj import Transformer

    found = _TILE.fullmatch(written)
    name, digits = (found[1], found[2]) if found else (written, "")
    name = name.upper().rjust(5, "0") + digits
    if digits:
        zone, is_north, west_m, south_m = _square(name, side_m := _SQUARE_M // 10 ** (len(digits) // 2))
        east_m, north_m = west_m + side_m, south_m + side_m
    else:
        zone, is_north, west_m, north_m = _corner(name)
        east_m, south_m = west_m + _TILE_M, north_m - _TILE_M
    corners = ((west_m, south_m), (east_m, south_m), (east_m, north_m), (west_m, north_m), (west_m, south_m))
    to_degrees = Transformer.from_crs(f"EPSG:{32600 + zone if is_north else 32700 + zone}", "EPSG:4326", always_xy=True)
    ring = [to_degrees.transform(*position) for position in _between(corners, _TILE_EDGE_M)]
    return finished(_valid(ring), f"{'square' if digits else 'tile'} {name}")


def is_tile(written: str) -> bool:
    """Whether it is the name of an MGRS tile, such as 32TQR, or of a square in one, such as 32TQR5050."""
    return _TILE.fullmatch(written) is not None


def ring_of_text(written: str) -> list[list[float]]:
    """The positions of ``LON,LAT LON,LAT …``; none where it is something else."""
    if not _PAIRS.fullmatch(written):
        return []
    return [[float(number) for number in pair.split(",")] for pair in re.findall(_PAIR, written)]


def place(given: Sequence[Any]) -> Shapes:
    """A list of positions: the corners of a polygon, closed here where they are not; one alone is a point."""
    pairs = [given] if given and all(isinstance(each, int | float) for each in given) else given
    positions = [_pair(each) for each in pairs]
    if len(positions) == 1:
        return Shapes(points=positions)
    if positions and positions[0] != positions[-1]:
        positions.append(positions[0])
    if len(positions) < 4:  # noqa: PLR2004 a triangle and its first corner again
        raise ValueError(f"{len(given)} positions are no area: give one, or three corners and more")
    return Shapes(polygons=[Outline("the geometry", [positions])])


def _pair(given: object) -> Position:
    lon, lat = _numbers(given, 2, "[longitude, latitude]")
    return lon, lat


def _numbers(given: object, count: int, form: str) -> tuple[float, ...]:
    parts: Sequence[object] = (
        given.split(",") if isinstance(given, str) else given if isinstance(given, list | tuple) else ()
    )
    try:
        found = tuple(float(part) for part in parts if isinstance(part, str | int | float))
    except (ValueError, OverflowError):
        found = ()
    if len(found) != count or not all(isfinite(each) for each in found):
        raise ValueError(f"{repr(given)[:80]} is not written {form}")
    return found


def _box(west: float, south: float, east: float, north: float) -> str:
    corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return "(" + ", ".join(f"{degrees(lon)} {degrees(lat)}" for lon, lat in corners) + ")"


def _circle(geod: Geod, centre: Position, radius_m: float) -> list[Position]:
    """A ring that covers the circle. Edges that are straight on the map bend inward near a pole: they are halved until they do not."""

    def corner(azimuth: float) -> Position:
        lon, lat, _ = geod.fwd(*centre, azimuth, radius_m * _BEYOND)
        return float(lon), float(lat)

    def edge(first: float, last: float, halvings: int) -> list[Position]:
        start, end = corner(first), corner(last)
        wide = (end[0] - start[0] + HALF_TURN) % TURN - HALF_TURN
        middle = (start[0] + wide / 2, (start[1] + end[1]) / 2)
        away_m = geod.inv(*centre, *middle)[2]
        if not halvings or (away_m >= radius_m and abs(wide) < _EDGE_DEG):
            return [start]
        half = (first + last) / 2
        return edge(first, half, halvings - 1) + edge(half, last, halvings - 1)

    step = 360.0 / _EDGES
    # Counterclockwise, as outer rings go.
    ring = [each for count in range(_EDGES) for each in edge(-count * step, -(count + 1) * step, _HALVINGS)]
    return [*ring, ring[0]]


def _valid(ring: Sequence[Position]) -> Any:
    import shapely

    shape = filled(ring)
    return shape if shape.is_valid else shapely.make_valid(shape)


def _corner(name: str) -> tuple[int, bool, int, int]:
    """The zone of UTM, whether it is in the north, and the north-western corner of a tile, in metres: on the grid of its widest pixels."""
    zone, is_north, west_m, south_m = _square(name, _SQUARE_M)
    equator_m = 0 if is_north else _FALSE_NORTHING_M
    north_m = south_m + _SQUARE_M - equator_m
    return zone, is_north, west_m // _PIXEL_M * _PIXEL_M, -(-north_m // _PIXEL_M) * _PIXEL_M + equator_m


def _square(name: str, side_m: int) -> tuple[int, bool, int, int]:
    """The zone of UTM, whether it is in the north, and the south-western corner of a square of MGRS, in metres."""
    try:
        from mgrs import MGRS
        from mgrs.core import MGRSError
    except ModuleNotFoundError:
        raise ValueError("tiles as areas need the extra geo: pip install 'skyhaul[geo]'") from None
    try:
        zone, hemisphere, easting_m, northing_m = MGRS().MGRSToUTM(name)
    except MGRSError:
        raise ValueError(f"there is no MGRS tile {name}") from None
    # Anywhere in the square will do: releases of the library differ in where they say it is.
    west_m, south_m = (int((metres + _NEARLY_M) // side_m) * side_m for metres in (easting_m, northing_m))
    return zone, hemisphere in {"N", b"N"}, west_m, south_m


def _between(corners: Sequence[Position], edge: float) -> list[Position]:
    """The ring with positions between its corners, as far apart as ``edge`` at most."""
    import shapely

    ring = shapely.segmentize(shapely.LineString(corners), edge)
    return [(float(x), float(y)) for x, y in ring.coords]
