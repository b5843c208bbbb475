"""Rings and points, as they were read, checked and put together into one area."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING

from skyhaul.area.outward import outward
from skyhaul.globe import HALF_TURN, TURN, Position, circles, filled, jumps, unrolled, wrapped

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_GRID_DEG = 1e-6
_POLE = 90.0
_LON_MAX = 540.0
"""Longitudes from 0 to 360 may go on across Greenwich."""

_SLIP = 0.01
"""What a crossing may change of a polygon's area and still be a slip of the pen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """An area as ``wkt``, and the ``label`` by which people know it again.

    ``asked`` is a simpler area that covers it, where it is too long for a filter. ``notices`` are sentences about how it was
    understood.
    """

    wkt: str
    label: str
    asked: str | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outline:
    """A polygon as it was written: its outer ring, then its holes. ``where`` is how errors call it."""

    where: str
    rings: Sequence[Sequence[Position]]


@dataclass(slots=True)
class Shapes:
    """All that a document holds."""

    points: list[Position] = field(default_factory=list)
    polygons: list[Outline] = field(default_factory=list)


def area_of(shapes: Shapes, label: str) -> Area:
    """All ``shapes`` together, checked.

    Raises:
        ValueError: they are no area.
    """
    import shapely

    if not shapes.points and not shapes.polygons:
        raise ValueError("it is empty")
    check_positions(shapes.points)
    for outline in shapes.polygons:
        check_positions([position for ring in outline.rings for position in ring])
    if shapes.points:
        return _points(shapes, label)
    notices: list[str] = []
    polygons = [_polygon(outline, notices) for outline in shapes.polygons]
    return finished(shapely.union_all(polygons), label, notices)


def finished(whole: BaseGeometry, label: str, notices: Iterable[str] = ()) -> Area:
    """A valid geometry as an area, on a grid of a millionth of a degree."""
    import shapely

    snapped = shapely.set_precision(wrapped(whole), _GRID_DEG)
    if snapped.is_empty:
        raise ValueError("it is smaller than ten centimetres")
    written = to_wkt(snapped)
    simple = outward(snapped, written)
    told = list(dict.fromkeys(notices))
    if simple is not None:
        told.append(
            f"{shapely.get_num_coordinates(snapped)} vertices are too many for a filter: the archive is asked for "
            f"{shapely.get_num_coordinates(simple)} around them, and what lies outside the exact area is left out here"
        )
    asked = None if simple is None else to_wkt(simple)
    return Area(wkt=written, label=label, asked=asked, notices=tuple(told))


def check_positions(positions: Iterable[Position]) -> None:
    """Refuse what cannot be degrees, longitude first."""
    given = list(positions)
    for lon, lat in given:
        if not (isfinite(lon) and isfinite(lat)):
            raise ValueError(f"{lon:g} {lat:g} is no position")
        if abs(lon) > _LON_MAX or abs(lat) > TURN:
            raise ValueError(
                f"{lon:g} {lat:g} looks like metres, as UTM has them; give degrees, EPSG:4326, longitude first"
            )
    for _, lat in given:
        if abs(lat) > _POLE:
            raise ValueError(f"{lat:g} is no latitude; longitude comes first{_swapped(given)}")


def check_longitudes(*longitudes: float) -> None:
    """Refuse what goes on beyond the 180th meridian."""
    for lon in longitudes:
        if abs(lon) > HALF_TURN:
            meant = lon - TURN if lon > 0 else lon + TURN
            raise ValueError(f"{lon:g} is no longitude from -180 to 180: did you mean {meant:g}?")


def check_ring(where: str, ring: Sequence[Position]) -> None:
    """Refuse a ring that is open or too short to hold anything."""
    if not ring or ring[0] != ring[-1]:
        first = f"{ring[0][0]:g} {ring[0][1]:g}" if ring else "none"
        raise ValueError(f"a ring of {where} is not closed: its first position, {first}, has to be repeated at its end")
    if len(ring) < 4:  # noqa: PLR2004 a triangle and its first corner again
        raise ValueError(f"a ring of {where} has {len(ring)} positions; four are the least, the last like the first")


def degrees(value: float) -> str:
    """Degrees as they are written: to a millionth, no more digits than needed."""
    # Adding zero turns -0.0 into 0.0.
    return f"{round(value, 6) + 0.0:.6f}".rstrip("0").rstrip(".")


def to_wkt(geometry: BaseGeometry) -> str:
    """Polygons or points as WKT: in capitals, two-dimensional, outer rings counterclockwise."""
    from shapely.geometry.polygon import orient

    parts = list(getattr(geometry, "geoms", [geometry]))
    polygons = [orient(part) for part in parts if part.geom_type == "Polygon"]
    if polygons:
        written = [
            f"({', '.join(_ring(ring.coords) for ring in (part.exterior, *part.interiors))})" for part in polygons
        ]
        return f"POLYGON {written[0]}" if len(written) == 1 else f"MULTIPOLYGON ({', '.join(written)})"
    written = [f"({degrees(part.x)} {degrees(part.y)})" for part in parts if part.geom_type == "Point"]
    return f"POINT {written[0]}" if len(written) == 1 else f"MULTIPOINT ({', '.join(written)})"


def _ring(positions: Iterable[Sequence[float]]) -> str:
    return "(" + ", ".join(f"{degrees(lon)} {degrees(lat)}" for lon, lat in positions) + ")"


def _swapped(positions: Sequence[Position]) -> str:
    if any(abs(lon) > _POLE for lon, _ in positions):
        return ""
    if len(positions) > 2:  # noqa: PLR2004 more than the two corners of a box
        return ": are the axes swapped?"
    return ": did you mean " + ",".join(f"{lat:g},{lon:g}" for lon, lat in positions) + "?"


def _points(shapes: Shapes, label: str) -> Area:
    import shapely

    if shapes.polygons:
        raise ValueError("it mixes points with polygons; give one kind of them")
    check_longitudes(*(lon for lon, _ in shapes.points))
    return finished(shapely.union_all(shapely.points(shapes.points)), label)


def _polygon(outline: Outline, notices: list[str]) -> BaseGeometry:
    """One polygon, valid. How its rings were understood, where they could be understood otherwise, is added to ``notices``."""
    from shapely.geometry import Polygon

    outer, *holes = outline.rings
    if _along_parallel(outer):
        outer = outer[:-1]
    if circles(unrolled(outer)):
        pole = "north" if sum(lat for _, lat in outer) > 0 else "south"
        notices.append(f"{outline.where} goes round the {pole} pole, which is taken to lie inside")
    elif jumps(outer):
        _check_crossing(outer)
        positions = unrolled(outer)
        width = max(lon for lon, _ in positions) - min(lon for lon, _ in positions)
        notices.append(f"{outline.where} crosses the 180th meridian, where it is {width:.4g} degrees wide")
    else:
        return _mended(Polygon(outer, holes), outline, notices)
    whole = wrapped(_mended(filled(outer), outline, notices))
    for hole in holes:
        whole = whole.difference(wrapped(_mended(filled(hole), outline, notices)))
    return whole


def _along_parallel(ring: Sequence[Position]) -> bool:
    """Whether a ring runs from -180 to 180 and back where it came from: on the map it holds nothing, on the globe a pole."""
    wide = abs(ring[-2][0] - ring[-1][0]) == TURN
    return wide and len({lat for _, lat in ring}) == 1


def _check_crossing(ring: Sequence[Position]) -> None:
    """Refuse a ring with long edges that may be meant as they are: on the map it goes counterclockwise, as outer rings do (RFC 7946)."""
    if _signed_area(ring) > 0:
        west, east = next(
            (west, east) for (west, _), (east, _) in pairwise(ring) if HALF_TURN < abs(east - west) < TURN
        )
        raise ValueError(
            f"an edge runs from longitude {west:g} to {east:g}: where it crosses the 180th meridian split the polygon there, "
            "where it does not put positions between"
        )


def _signed_area(ring: Sequence[Position]) -> float:
    """In square degrees on the map; negative where the ring goes clockwise."""
    edges = pairwise(ring)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in edges) / 2


def _mended(shape: BaseGeometry, outline: Outline, notices: list[str]) -> BaseGeometry:
    """The polygon, mended where it crosses itself by a slip of the pen: where that leaves its area as it was.

    Loops that go the wrong way round count against the area of a ring, so that of a bow tie is nothing.
    """
    import shapely

    if shape.is_valid:
        return shape
    reason, _, place = shapely.is_valid_reason(shape).partition("[")
    what = "crosses itself" if "ntersection" in reason else f"is not a valid polygon ({reason.lower()})"
    near = f" near {place.rstrip(']')}" if place else ""
    mended = _surfaces(shapely.make_valid(shape))
    if mended.is_empty:
        raise ValueError(f"{_called(outline)} holds nothing: its positions lie on a line")
    drawn = abs(_signed_area(shape.exterior.coords)) - sum(abs(_signed_area(hole.coords)) for hole in shape.interiors)
    if "ntersection" not in reason or abs(mended.area - drawn) > _SLIP * mended.area:
        raise ValueError(f"{_called(outline)} {what}{near}")
    notices.append(f"{_called(outline)} {what}{near} and was mended")
    return mended


def _surfaces(shape: BaseGeometry) -> BaseGeometry:
    """The polygons that a shape is made of."""
    import shapely

    parts = shapely.get_parts(shape)
    return shapely.union_all(parts[shapely.get_dimensions(parts) > 1])


def _called(outline: Outline) -> str:
    return "the polygon" if outline.where == "the geometry" else f"a polygon of {outline.where}"
