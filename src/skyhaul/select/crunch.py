"""Choosing among products by date, property, availability and name (pure).

Every function takes products in any order and returns those it keeps, each once, in the order in which they came; which ones these are does
not depend on that order. Products with one id in one archive are one product. What is given is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Literal

from skyhaul import values
from skyhaul.model import Product
from skyhaul.select.conditions import Comparison, Condition
from skyhaul.select.facts import NEVER, Value, best_first, first_of_each, grouping, sensed, started, unique

When = str | date | datetime
"""A moment, or a whole day; naive is UTC. Text as on the command line: ``2024-04-01``, ``2024-04-01T10:30Z``, ``30d`` (ago)."""

DateMode = Literal["inside", "overlap"]
Period = Literal["day", "week", "month", "year"]

_DAYS = re.compile(r"(\d+)\s*d(?:ays?)?")
_INSTANT = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def by_date(
    products: Iterable[Product], *, start: When | None = None, end: When | None = None, mode: DateMode = "inside"
) -> list[Product]:
    """Products that were sensed between two moments, both included; a day as an end is included to its last moment.

    Args:
        products: to choose from. Those without any sensing time are kept.
        start: where the window begins; ``None`` is open.
        end: where it ends; ``None`` is open.
        mode: ``inside`` asks that all of the sensing time is in the window, ``overlap`` that some of it is.

    Raises:
        ValueError: a moment cannot be read, or the window is empty.
    """
    first = None if start is None else _first(start)
    last = None if end is None else _last(end)
    if first is not None and last is not None and first > last:
        raise ValueError(f"the end, {end}, is before the start, {start}")
    within = {"inside": _inside, "overlap": _overlapping}.get(mode)
    if within is None:
        raise ValueError(f"there is no mode {mode!r}; known are inside, overlap")
    return [
        product
        for product in unique(products)
        if (span := sensed(product)) is None or within(span, (first or span[0], last or span[1]))
    ]


def by_property(
    products: Iterable[Product], name: str, comparison: Comparison, wanted: Value | Collection[Value]
) -> list[Product]:
    """Products whose property compares with ``wanted`` as asked; those without it are dropped, whatever the comparison.

    Args:
        products: to choose from.
        name: a field of the product (``size``, ``start``, ``product_type`` …), an attribute (``cloudCover`` …) or ``tile``.
        comparison: ``eq ne lt le gt ge``, ``in`` for a list of values, ``contains startswith endswith`` for text.
        wanted: text is read as a number, a moment or a truth where the product has one.

    Raises:
        ValueError: there is no such comparison, or ``wanted`` does not fit it.
    """
    several = tuple(wanted) if isinstance(wanted, Collection) and not isinstance(wanted, str) else (wanted,)
    condition = Condition(property=name, comparison=comparison, wanted=several)
    return [product for product in unique(products) if condition.holds(product)]


def online(products: Iterable[Product]) -> list[Product]:
    """Products that can be downloaded at once."""
    return [product for product in unique(products) if product.online]


def latest_by_name(products: Iterable[Product], pattern: str) -> list[Product]:
    r"""Of each tile the product that was sensed last, among equals the latest version.

    Args:
        products: to choose from. Those whose name does not begin as the pattern says are dropped.
        pattern: a regular expression with a group ``tileid``, such as ``S2._MSIL2A_.*_T(?P<tileid>\d{2}[A-Z]{3})_``. Whatever the group
            holds is the tile; where it took no part in the match, the name does not fit.

    Raises:
        ValueError: it is no regular expression, or it has no group ``tileid``.
    """
    wanted = name_pattern(pattern)
    fitting = [product for product in unique(products) if fits(wanted, product)]
    return first_of_each(fitting, best_first(fitting), partial(_tileid, wanted), 1)


def name_pattern(pattern: str) -> re.Pattern[str]:
    """The regular expression of :func:`latest_by_name`."""
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression ({error})") from None
    if "tileid" not in found.groupindex:
        raise ValueError(f"{pattern!r} has no group for the tile: write (?P<tileid>…) around what tells tiles apart")
    return found


def nearest(
    products: Iterable[Product], when: When, *, count: int = 1, group_by: str | None = None, prefer: str | None = None
) -> list[Product]:
    """The products sensed nearest to a moment, or to any moment of a day.

    Args:
        products: to choose from. Those without a sensing time are dropped.
        when: the moment; the sensing time of a product that holds it is nearest of all.
        count: how many, of each group.
        group_by: a property: the nearest of each of its values; ``None`` takes all products together.
        prefer: which of equally near ones, see :func:`one_per_period`.
    """
    _check_count(count)
    moment = (_first(when), _last(when))
    timed = [product for product in unique(products) if sensed(product) is not None]
    ranked = sorted(best_first(timed, prefer), key=partial(_distance, moment))
    return first_of_each(timed, ranked, grouping(group_by), count)


def one_per_period(
    products: Iterable[Product],
    period: Period | str | int,
    *,
    group_by: str | None = None,
    prefer: str | None = None,
    origin: When | None = None,
) -> list[Product]:
    """Of each period one product, by the start of sensing, UTC.

    Args:
        products: to choose from. Those without a sensing time are dropped.
        period: ``day``, ``week`` (from Monday), ``month``, ``year``, or a number of days (``10d`` or 10).
        group_by: a property: one for each of its values; ``tile`` gives a series for each tile.
        prefer: a number or a time of which little is preferred, with ``-`` in front much: ``cloudCover``, ``-size``. Without it, and among
            equals, the one that was sensed last; then the latest version.
        origin: where the first of periods of so many days begins; their own default is 1970-01-01.

    Raises:
        ValueError: there is no such period.
    """
    which, group = _periods(period, origin), grouping(group_by)
    timed = [product for product in unique(products) if sensed(product) is not None]
    return first_of_each(timed, best_first(timed, prefer), lambda product: (which(started(product)), group(product)), 1)


def limit(
    products: Iterable[Product], count: int, *, group_by: str | None = "tile", prefer: str | None = None
) -> list[Product]:
    """At most ``count`` products of each tile, or of each value of another property; of all where that is ``None``.

    Which ones: see ``prefer`` of :func:`one_per_period`. Products without the property are a group of their own.
    """
    _check_count(count)
    pool = unique(products)
    return first_of_each(pool, best_first(pool, prefer), grouping(group_by), count)


def fits(pattern: re.Pattern[str], product: Product) -> bool:
    """Whether the name of a product tells its tile by a pattern."""
    return _tileid(pattern, product) is not None


def _tileid(pattern: re.Pattern[str], product: Product) -> str | None:
    found = pattern.match(product.name)
    return found["tileid"] if found else None


def _distance(when: tuple[datetime, datetime], product: Product) -> timedelta:
    """How long lies between a moment and the sensing; nothing where one holds the other."""
    begun, ended = sensed(product) or (NEVER, NEVER)
    return max(begun - when[1], when[0] - ended, timedelta())


def _check_count(count: int) -> None:
    if count < 1:
        raise ValueError(f"{count} is not a number of products: one is the least")


def _inside(span: tuple[datetime, datetime], window: tuple[datetime, datetime]) -> bool:
    return window[0] <= span[0] and span[1] <= window[1]


def _overlapping(span: tuple[datetime, datetime], window: tuple[datetime, datetime]) -> bool:
    return window[0] <= span[1] and span[0] <= window[1]


def _now() -> datetime:
    return datetime.now(UTC)


def _first(when: When) -> datetime:
    return values.moment(when, now=_now())


def _last(when: When) -> datetime:
    """The moment itself, or the last one of a day."""
    now = _now()
    moment, after = values.moment(when, now=now), values.moment(when, now=now, is_end=True)
    return moment if after == moment else after - _INSTANT


def _periods(period: str | int, origin: When | None) -> Callable[[datetime], object]:
    """Which period a moment is in."""
    match period:
        case "day":
            return datetime.date
        case "week":
            return lambda moment: tuple(moment.isocalendar())[:2]
        case "month":
            return lambda moment: (moment.year, moment.month)
        case "year":
            return lambda moment: moment.year
    return partial(_multiple, timedelta(days=_days(period)), _EPOCH if origin is None else _first(origin))


def _multiple(length: timedelta, origin: datetime, moment: datetime) -> int:
    return (moment - origin) // length


def _days(period: str | int) -> int:
    found = _DAYS.fullmatch(str(period).strip())
    days = int(found[1]) if found else period if isinstance(period, int) else 0
    if days < 1:
        raise ValueError(f"{period!r} is not a period: write day, week, month, year, or a number of days as 10d")
    return days
