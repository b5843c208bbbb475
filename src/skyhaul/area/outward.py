"""Simpler areas that cover one that is too long for a filter: nothing of it is lost, and what is too much is left out afterwards."""

from __future__ import annotations

from math import floor, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

VERTICES_MAX = 300
"""What a filter in a URL can hold; CDSE names no limit, longer URLs are refused by proxies."""

CHARS_MAX = 5000
"""Servers commonly take 8 KiB of request line; the other conditions of a query need some of it."""

_CLAUSE_CHARS = 70
"""What a filter writes around each polygon: ``OData.CSC.Intersects(area=geography'SRID=4326;…') or``."""

_GRID_DEG = 1e-6
_FIRST = 1 / 4096
"""The first tolerance to try, of the area's extent."""

_STEP = 1.5


def outward(whole: BaseGeometry, written: str) -> BaseGeometry | None:
    """A simpler area that covers ``whole``, which is ``written`` as WKT; ``None`` where it fits a filter as it is."""
    import shapely

    if _fits(whole, written):
        return None
    west, south, east, north = whole.bounds
    extent_deg = max(east - west, north - south)
    tolerance_deg = max(extent_deg * _FIRST, 100 * _GRID_DEG)
    # Each step begins with what the one before has left: it covers the whole as well, and is simpler.
    rough = whole
    while tolerance_deg < extent_deg:
        rough = _around(rough, tolerance_deg / 2)
        simple = _rounded(rough, tolerance_deg)
        if _fits(simple, simple.wkt) and simple.covers(whole):
            return simple
        tolerance_deg *= _STEP
    return shapely.box(*whole.bounds)


def _around(shape: BaseGeometry, tolerance_deg: float) -> BaseGeometry:
    """A simpler shape that covers ``shape`` and goes some tolerances beyond it. Holes, which would shrink, are filled."""
    import shapely

    simple = shape.simplify(tolerance_deg)
    grown = simple.buffer(tolerance_deg * 1.2, quad_segs=1, cap_style="square", join_style="mitre", mitre_limit=2.0)
    return _without_holes(grown).simplify(tolerance_deg * 0.1).intersection(shapely.box(-180, -90, 180, 90))


def _without_holes(shape: BaseGeometry) -> BaseGeometry:
    import shapely

    return shapely.union_all([shapely.Polygon(part.exterior) for part in getattr(shape, "geoms", [shape])])


def _rounded(shape: BaseGeometry, tolerance_deg: float) -> BaseGeometry:
    """No more digits than the tolerance is worth."""
    import shapely

    return shapely.set_precision(shape, max(_GRID_DEG, 10.0 ** floor(log10(tolerance_deg / 20))))


def _fits(shape: BaseGeometry, written: str) -> bool:
    import shapely

    # A blank is three characters in a URL.
    chars = len(written) + 2 * written.count(" ") + _CLAUSE_CHARS * shapely.get_num_geometries(shape)
    return bool(shapely.get_num_coordinates(shape) <= VERTICES_MAX and chars <= CHARS_MAX)
