"""Footprints as the catalogue writes them: GeoJSON, well-known text, cut in two where they cross the antimeridian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shapely import Geometry as Shape
    from shapely import Polygon

    from skyhaul.simulate.nouns import Geometry
    from skyhaul.simulate.orbits import Point

TURN = 360


def outline(ring: Sequence[Point], *, digits: int) -> Geometry:
    """A ring whose longitudes run on without a jump as a footprint, its numbers rounded to ``digits`` decimals."""
    from shapely import Polygon  # noqa: PLC0415 -- a tenth of a second that a client of the module may never need

    return geometry(Polygon(ring), digits)


def clipped(ring: Sequence[Point], seen: Sequence[Point]) -> tuple[Geometry | None, float]:
    """What a swath shows of a ring, and how much of it from 0 to 1; None when that is nothing."""
    from shapely import Polygon  # noqa: PLC0415

    whole = Polygon(ring)
    shift = round((whole.centroid.x - seen[0][0]) / TURN) * TURN
    part = whole.intersection(Polygon([(x + shift, y) for x, y in seen]))
    if part.is_empty or part.geom_type != "Polygon":
        return None, 0.0
    return geometry(part, 12), part.area / whole.area


def contains(ring: Sequence[Point], point: Point) -> bool:
    """Whether a ring whose longitudes run on without a jump encloses a point."""
    from shapely import Point as Dot  # noqa: PLC0415
    from shapely import Polygon  # noqa: PLC0415

    shape = Polygon(ring)
    return any(shape.contains(Dot(point[0] + turn, point[1])) for turn in (-TURN, 0, TURN))


def geometry(shape: Polygon, digits: int) -> Geometry:
    """GeoJSON of a polygon, in as many parts as it has turns of longitude."""
    parts = [
        [[[round(x - turn, digits), round(y, digits)] for x, y in part.exterior.coords]]
        for turn, part in _turns(shape)
        if part.area > 0
    ]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def _turns(shape: Polygon) -> Iterator[tuple[int, Polygon]]:
    from shapely import box  # noqa: PLC0415

    west, _, east, _ = shape.bounds
    if west >= -TURN / 2 and east <= TURN / 2:
        yield 0, shape
        return
    for turn in (-TURN, 0, TURN):
        part = shape.intersection(box(turn - TURN / 2, -90, turn + TURN / 2, 90))
        yield from ((turn, piece) for piece in getattr(part, "geoms", [part]))


def well_known_text(footprint: Geometry) -> str:
    """``POLYGON ((x y, x y, ...))`` with every number as JSON has it."""
    return f"{footprint['type'].upper()} {_nested(footprint['coordinates'])}"


def _nested(coordinates: Any) -> str:
    if isinstance(coordinates[0], (int, float)):
        return " ".join(map(repr, coordinates))
    return f"({', '.join(map(_nested, coordinates))})"


def shape_of(footprint: Geometry) -> Shape:
    """The shapely geometry of a footprint."""
    from shapely.geometry import shape  # noqa: PLC0415

    return shape(footprint)
