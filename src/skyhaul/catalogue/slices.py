"""A query in time slices: disjoint, half-open, together the whole (pure).

By paging only so many products of one query can be reached (CDSE OData: ``$skip`` ≤ 10 000): what is larger is read in parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from skyhaul.errors import CatalogueError
from skyhaul.model import Season, TimeInterval
from skyhaul.protocols import Slice

PARTS_MAX = 256
UNITS = (timedelta(seconds=1), timedelta(milliseconds=1), timedelta(microseconds=1))

SEASONS_MAX = 24
"""Years of a season that are asked for one by one: some 100 characters each."""

AHEAD = timedelta(days=366)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def split(part: Slice, total: int, limit: int, extent: TimeInterval, *, steady: bool = False) -> tuple[Slice, ...]:
    """``part`` in as many parts as leave ``limit`` products to each, were ``total`` spread evenly; at most ``PARTS_MAX``.

    ``extent`` says where the products of an open interval lie; the outer ends stay open. Cuts are on whole seconds where there is room:
    versions of one acquisition, whose starts may differ by milliseconds, then lie in one part. With ``steady`` the parts are mostly those
    of a run before, when there were some products less: see :func:`steady_cuts`.

    Raises:
        CatalogueError: the slice is a single microsecond.
    """
    start, end = part.interval.start or extent.start, part.interval.end or extent.end
    if start is None or end is None:
        raise ValueError(f"an extent with an open end ({extent}) says nothing of {part.name}")
    wanted = max(2, -(-total // limit))
    inner = list(steady_cuts(start, end, wanted) if steady else cuts(start, end, min(PARTS_MAX, wanted)))
    if not inner:
        raise CatalogueError(
            f"{part.name}: {total} products begin in the same instant, more than can be reached by paging; restrict the query further"
        )
    edges = [part.interval.start, *inner, part.interval.end]
    return tuple(replace(part, interval=TimeInterval(start=a, end=b)) for a, b in pairwise(edges))


def cuts(start: datetime, end: datetime, parts: int) -> Iterator[datetime]:
    """The moments that cut ``start`` to ``end`` into ``parts`` of about one length, ascending; fewer where time is too short."""
    width = end - start
    unit = next((unit for unit in UNITS if width >= parts * unit), UNITS[-1])
    parts = min(parts, width // unit)
    for number in range(1, parts):
        moment = start + width * number // parts
        yield moment - (moment - _EPOCH) % unit


def steady_cuts(start: datetime, end: datetime, parts: int) -> Iterator[datetime]:
    """The moments that cut ``start`` to ``end`` into about ``parts``, up to a ninth more, of one length but for the outer ones; ascending.

    They do not move with the ends: lengths are a few round ones, and cuts are where so many of them have passed since 1970.
    """
    parts = min(parts, PARTS_MAX * 7 // 8)
    width = end - start
    unit = next((unit for unit in UNITS if width >= parts * unit), UNITS[-1])
    units = -(-(width // unit) // parts)
    rest = max(0, units.bit_length() - 4)  # eight lengths from one to its double
    length = (units >> rest << rest) * unit
    moment = start + length - (start - _EPOCH) % length
    while moment < end:
        yield moment
        moment += length


def bounded(interval: TimeInterval, *, now: datetime) -> bool:
    """Whether the :func:`windows` of a season in ``interval`` are the season and nothing else."""
    end = interval.end or now + 2 * AHEAD  # a year later it has to hold as well
    return interval.start is not None and end.year - interval.start.year < SEASONS_MAX


def windows(season: Season, interval: TimeInterval, *, now: datetime) -> Iterator[TimeInterval]:
    """What of ``interval`` lies in ``season``, in order; nothing where none of it does.

    Nothing begins more than a year ahead. Where ``interval`` has no start or is longer than ``SEASONS_MAX`` years, what is older is whole.
    """
    end = interval.end or now + AHEAD
    first = datetime(end.year - SEASONS_MAX + 1, 1, 1, tzinfo=UTC)
    start = first if interval.start is None else max(interval.start, first)
    if interval.start is None or interval.start < first:
        yield TimeInterval(start=interval.start, end=first)
    for year in range(start.year - 1, end.year + 1):
        begun = max(start, _midnight(year, season.first))
        over = min(end, _midnight(year + (season.last < season.first), season.last, after=True))
        if begun < over:
            yield TimeInterval(start=begun, end=over)


def _midnight(year: int, month_day: tuple[int, int], *, after: bool = False) -> datetime:
    """Where a day of ``year`` begins, or ends with ``after``; of a February 29 that there is not, where March does."""
    try:
        day = date(year, *month_day) + timedelta(days=after)
    except ValueError:
        day = date(year, 3, 1)
    return datetime.combine(day, time(), UTC)
