"""Choosing among products by the places they show: what lies in an area, the latest picture of it, the fewest products for it (pure).

Areas are WKT, EPSG:4326, longitude first, valid, with longitudes from -180 to 180. Edges are straight in degrees; shares are of square
metres, of lines of metres, of points of their number. Footprints are compared with the area that is given here, whatever a search has
compared them with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import shapely
from msgspec import structs

from skyhaul import footprint
from skyhaul.model import Product
from skyhaul.select.facts import best_first, unique
from skyhaul.select.fewest import STEPS_MAX, fewest, members
from skyhaul.values import meant

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Relation = Literal["intersects", "contains", "within"]
RELATIONS: tuple[str, ...] = get_args(Relation)

MINIMUM_GAIN = 0.1
"""Percent of what a product shows of the area: footprints of one tile differ by that much from date to date."""

_PERCENT = 100.0
_ROUNDING = 1e-9
"""Share of the area below which a place is an error of rounding: borders that should be one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """Products that together show an area, as much of it as ``percent``.

    ``at_least`` is how many products it takes to show as much; where it is the number of ``products``, no choice has fewer.
    """

    products: tuple[Product, ...]
    percent: float
    at_least: int = 0


def overlapping(
    products: Iterable[Product], area: str, *, minimum: float = 0.0, relation: Relation | None = None
) -> list[Product]:
    """Products that show some of an area. Those without a footprint are dropped.

    Args:
        products: to choose from.
        area: WKT; a polygon, a line or a point.
        minimum: percent. Kept is what lies within the area, what shows so much of the area, and what has so much of itself in it. Shares
            are rounded to a hundredth; to touch the area is never enough.
        relation: in place of ``minimum``: ``intersects`` for all that has a place in common with the area, be it at its edge; ``contains``
            for products that show all of the area, ``within`` for those that lie in it. Borders may be shared.

    Raises:
        ValueError: the area, the minimum or the relation cannot be used.
    """
    place = shape_of(area)
    if not 0 <= minimum <= _PERCENT:
        raise ValueError(f"{minimum} is not a percentage: write 0 to 100")
    if relation is not None and relation not in RELATIONS:
        raise ValueError(f"there is no relation {relation!r}; {meant(relation, RELATIONS)}")
    if relation is not None and minimum:
        raise ValueError(f"minimum and relation exclude each other: {relation!r} asks for no percentage")
    related = _RELATED[relation] if relation else lambda shown, area: _enough(shown, area, minimum)
    return [product for product in unique(products) if (shown := _shape(product)) is not None and related(shown, place)]


def covered(products: Iterable[Product], area: str) -> float:
    """The percentage of an area that the products show together."""
    place = shape_of(area)
    shown = [part for _, part in _parts(products, place)]
    return _percent(shapely.union_all(shown), place) if shown else 0.0


def with_coverage(products: Iterable[Product], area: str) -> list[Product]:
    """The products, each with the percentage of an area that it shows as its ``coverage``; ``None`` where no footprint says it."""
    place = shape_of(area)
    return [structs.replace(product, coverage=_share(product, place)) for product in products]


def latest_cover(
    products: Iterable[Product], area: str, *, minimum_gain: float = MINIMUM_GAIN, prefer: str | None = None
) -> Cover:
    """The latest picture of an area: from the latest product back, each that shows a part of it that none before it shows.

    Args:
        products: to choose from. The cover has them the latest first.
        area: WKT.
        minimum_gain: percent of what a product shows of the area that has to be new; what would add less is passed over, and its new part
            left to the next one.
        prefer: a number or a time of which little is preferred, with ``-`` in front much: that is asked before the date.

    Raises:
        ValueError: the area or the gain cannot be used.
    """
    place = shape_of(area)
    _check_gain(minimum_gain)
    rest, least = place, _ROUNDING * _size(place)
    kept: list[Product] = []
    for product, shown in _parts(best_first(products, prefer), place):
        if rest.is_empty:
            break
        new = _common(shown, rest)
        if new is not None and (gain := _size(new)) > least and _PERCENT * gain >= minimum_gain * _size(shown):
            kept.append(product)
            rest = _solid(shapely.difference(rest, shown), place)
    return Cover(products=tuple(kept), percent=covered(kept, area))


def smallest_cover(
    products: Iterable[Product],
    area: str,
    *,
    minimum_gain: float = MINIMUM_GAIN,
    prefer: str | None = None,
    steps_max: int = STEPS_MAX,
) -> Cover:
    """The fewest products that show all of an area that the products together show.

    Of several smallest covers it is the one with the most preferred product that not all of them have: the latest, where nothing else is
    said. Where the fewest cannot be found in ``steps_max`` steps, it is a choice of little more: see ``Cover.at_least``.

    Args:
        products: to choose from. The cover has the preferred ones first.
        area: WKT.
        minimum_gain: percent of what any product shows of the area; a place smaller than that, shown by the same products throughout, may
            be left out.
        prefer: as for :func:`latest_cover`.
        steps_max: how long to look for it.

    Raises:
        ValueError: the area or the gain cannot be used.
    """
    place = shape_of(area)
    _check_gain(minimum_gain)
    ranked = list(_parts(best_first(products, prefer), place))
    found = fewest(_places([shown for _, shown in ranked], place, minimum_gain), steps_max=steps_max)
    kept = [ranked[each][0] for each in found.sets]
    return Cover(products=tuple(kept), percent=covered(kept, area), at_least=found.at_least)


def shape_of(area: str) -> BaseGeometry:
    """The geometry that WKT says.

    Raises:
        ValueError: it is none, or not a valid one.
    """
    try:
        shape = shapely.force_2d(shapely.from_wkt(area))
    except (shapely.GEOSException, TypeError) as error:
        raise ValueError(f"{area!r} is not WKT ({error})") from None
    if shape is None or shape.is_empty:
        raise ValueError("the area is empty")
    if not shape.is_valid:
        raise ValueError(f"the area is not valid: {shapely.is_valid_reason(shape)}")
    shapely.prepare(shape)
    return shape


def _check_gain(minimum_gain: float) -> None:
    if not 0 <= minimum_gain < _PERCENT:
        raise ValueError(f"{minimum_gain} is not a gain: write a percentage from 0 to less than 100")


_RELATED: dict[Relation, Callable[[BaseGeometry, BaseGeometry], bool]] = {
    "intersects": lambda shown, area: bool(area.intersects(shown)),
    "contains": lambda shown, area: bool(shown.covers(area)),
    "within": lambda shown, area: bool(area.covers(shown)),
}


def _enough(shown: BaseGeometry, area: BaseGeometry, minimum: float) -> bool:
    common = _common(shown, area)
    if common is None:
        return False
    return area.covers(shown) or shown.covers(area) or max(_percent(common, area), _percent(common, shown)) >= minimum


def _common(one: BaseGeometry, other: BaseGeometry) -> BaseGeometry | None:
    """What two geometries have in common, as long as it is more than an edge that they share."""
    if not other.intersects(one):
        return None
    common = _solid(shapely.intersection(one, other), one, other)
    return None if common.is_empty else common


def _percent(part: BaseGeometry, whole: BaseGeometry) -> float:
    """The share of ``whole`` that ``part``, which lies in it, makes up: none where it has an extent less."""
    if shapely.get_dimensions(part) < shapely.get_dimensions(whole):
        return 0.0
    return round(min(_PERCENT, _PERCENT * footprint.extent(part) / footprint.extent(whole)), 2)


def _share(product: Product, area: BaseGeometry) -> float | None:
    shape = _shape(product)
    if shape is None or shapely.get_dimensions(shape) < shapely.get_dimensions(area):
        return None
    common = _common(shape, area)
    return 0.0 if common is None else _percent(common, area)


def _shape(product: Product) -> BaseGeometry | None:
    """Where the product lies: ``None`` where its footprint does not say, or cannot be read."""
    try:
        shape = footprint.geometry(product.footprint)
    except (ValueError, TypeError, IndexError, shapely.GEOSException):
        return None
    return None if shape is None or shape.is_empty else _solid(shape)


def _parts(products: Iterable[Product], area: BaseGeometry) -> Iterator[tuple[Product, BaseGeometry]]:
    """The products that show a part of the area, which a track does not of a polygon, each with what it shows of it."""
    for product in products:
        shape = _shape(product)
        common = None if shape is None else _common(shape, area)
        if common is not None and shapely.get_dimensions(common) == shapely.get_dimensions(area):
            yield product, common


def _solid(shape: BaseGeometry, *like: BaseGeometry) -> BaseGeometry:
    """The parts that have as many dimensions as the least of ``like``, or as the whole: no edges that are left of polygons."""
    dimensions = min(int(shapely.get_dimensions(each)) for each in like or (shape,))
    if shape.geom_type != "GeometryCollection" and shapely.get_dimensions(shape) == dimensions:
        return shape
    parts = shapely.get_parts(shape)
    return shapely.union_all(parts[shapely.get_dimensions(parts) == dimensions])


def _size(shape: BaseGeometry) -> float:
    """How much there is of a geometry in degrees: for comparing parts of one area that lie beside each other."""
    return float(shape.area or shape.length or (0 if shape.is_empty else len(shapely.get_parts(shape))))


def _places(shapes: Sequence[BaseGeometry], area: BaseGeometry, minimum_gain: float) -> list[int]:
    """The places of the area that differ in what shows them, each as a bit mask of the shapes that do."""
    least = _ROUNDING * _size(area)
    cells, masks = [area], [0]
    for number, shape in enumerate(shapes):
        shapely.prepare(shape)
        for at in shapely.intersects(shape, cells).nonzero()[0].tolist():
            inside = _solid(shapely.intersection(cells[at], shape), area)
            if _size(inside) <= least:
                continue
            outside = _solid(shapely.difference(cells[at], shape), area)
            if _size(outside) > least:
                cells.append(outside)
                masks.append(masks[at])
            cells[at], masks[at] = inside, masks[at] | 1 << number
    sizes = [_size(shape) for shape in shapes]

    def counts(cell: BaseGeometry, mask: int) -> bool:
        return _PERCENT * _size(cell) >= minimum_gain * min(sizes[each] for each in members(mask))

    return [mask for cell, mask in zip(cells, masks, strict=True) if mask and counts(cell, mask)]
