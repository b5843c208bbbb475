"""Rings on a globe that is drawn as a map: longitudes that jump, that go beyond 180, that go round a pole. Degrees, longitude first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

HALF_TURN = 180.0
TURN = 360.0

Position = tuple[float, float]


def jumps(ring: Sequence[Sequence[float]]) -> bool:
    """Whether an edge is longer than half a turn. One of a full turn runs along the edge of the map and does not count."""
    return any(HALF_TURN < abs(east[0] - west[0]) < TURN for west, east in pairwise(ring))


def unrolled(ring: Sequence[Sequence[float]]) -> list[Position]:
    """The positions with longitudes that go on beyond 180 rather than jump: every edge is taken the short way."""
    turns = 0.0
    before = float(ring[0][0])
    positions: list[Position] = []
    for lon, lat, *_ in ring:
        if HALF_TURN < abs(lon - before) < TURN:
            turns += TURN if lon < before else -TURN
        positions.append((lon + turns, float(lat)))
        before = lon
    return positions


def filled(ring: Sequence[Sequence[float]]) -> BaseGeometry:
    """The inside of a ring, unrolled; of one that goes round a pole, all that lies between it and the pole. Not always valid."""
    from shapely.geometry import Polygon

    positions = unrolled(ring)
    if circles(positions):
        start, end = positions[0][0], positions[-1][0]
        pole = 90.0 if sum(lat for _, lat in positions) > 0 else -90.0
        positions += [(end, pole), (start, pole), positions[0]]
    return Polygon(positions)


def circles(positions: Sequence[Position]) -> bool:
    """Whether an unrolled ring goes round a pole: it ends a turn from where it began."""
    return abs(positions[-1][0] - positions[0][0]) > HALF_TURN


def wrapped(shape: BaseGeometry) -> BaseGeometry:
    """The same places with longitudes from -180 to 180."""
    import shapely
    from shapely.affinity import translate

    west, _, east, _ = shape.bounds
    if west >= -HALF_TURN and east <= HALF_TURN:
        return shape
    lows = (-HALF_TURN - 2 * TURN, -HALF_TURN - TURN, -HALF_TURN, HALF_TURN, HALF_TURN + TURN)
    turns = [
        translate(shapely.intersection(shape, shapely.box(low, -90, low + TURN, 90)), -HALF_TURN - low) for low in lows
    ]
    # Where a polygon only touches the next turn, a line is left of it.
    return shapely.union_all([turn for turn in turns if turn.area > 0 or (shape.area == 0 and not turn.is_empty)])
