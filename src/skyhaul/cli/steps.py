"""The steps of ``select``: what each option does to products, and what it says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from skyhaul.errors import SettingsError
from skyhaul.values import nearest

if TYPE_CHECKING:
    from skyhaul.area import Area
    from skyhaul.model import Product

FROM_NAMES = frozenset({"name", "start", "end", "tile", "platform"})
"""What is known of a product of which there is only the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One choice: what it is called, and what it keeps.

    ``reads`` are the properties that it goes by. Products ``without`` them are counted as those that ``lack`` them. ``comment`` is what
    there is to say once it is done.
    """

    label: str
    work: Callable[[Sequence[Product]], Sequence[Product]]
    reads: tuple[str, ...] = ()
    without: Callable[[Product], bool] | None = None
    lack: str = "without it"
    comment: Callable[[], str] = str


def dates(start: str | None, end: str | None, mode: Literal["inside", "overlap"]) -> Iterator[Step]:
    """``--start`` and ``--end``."""
    from skyhaul.select import by_date

    given = ", ".join(f"{name} {each}" for name, each in (("--start", start), ("--end", end)) if each)
    if mode != "inside" and not given:
        raise SettingsError(f"--dates {mode} needs --start or --end")
    if given:
        yield Step(
            label=given,
            work=partial(by_date, start=start, end=end, mode=mode),
            without=_timeless,
            lack="without a date",
            reads=("start",),
        )


def overlap(
    area: Area | None, minimum: float, relation: Literal["intersects", "contains", "within"] | None
) -> Iterator[Step]:
    """``--aoi`` and the like, ``--overlap``, ``--relation``."""
    from skyhaul.select import overlapping

    if area is not None:
        asked = f", --relation {relation}" if relation else f", --overlap {minimum:g}" if minimum else ""
        yield Step(
            label=f"{area.label}{asked}",
            work=partial(overlapping, area=area.wkt, minimum=minimum, relation=relation),
            without=lambda product: product.footprint is None,
            lack="without a footprint",
            reads=("footprint",),
        )
    elif relation or minimum:
        raise SettingsError(
            f"{'--relation' if relation else '--overlap'} needs an area: give --aoi, --bbox, --point or --circle"
        )


def conditions(where: Sequence[str], *, online: bool) -> Iterator[Step]:
    """``--where`` and ``--online``."""
    from skyhaul.select import by_property
    from skyhaul.select import online as of_online
    from skyhaul.select.conditions import parse

    for written in where:
        with named("--where"):
            condition = parse(written)
        name = condition.property
        wanted = condition.wanted if condition.comparison == "in" else condition.wanted[0]
        yield Step(
            label=f"--where {written}",
            work=partial(by_property, name=name, comparison=condition.comparison, wanted=wanted),
            without=partial(_lacks, name),
            reads=(name,),
        )
    if online:
        yield Step(label="--online", work=of_online, reads=("online",))


def versions(*, latest_version: bool, pattern: str | None) -> Iterator[Step]:
    """``--latest-version`` and ``--latest-by-name``."""
    from skyhaul.select import latest_by_name, latest_versions
    from skyhaul.select.crunch import fits, name_pattern

    if latest_version:
        yield Step(label="--latest-version", work=latest_versions)
    if pattern is not None:
        with named("--latest-by-name"):
            fitting = name_pattern(pattern)
        yield Step(
            label=f"--latest-by-name {pattern}",
            work=partial(latest_by_name, pattern=pattern),
            without=lambda product: not fits(fitting, product),
            lack="whose name does not fit",
        )


def series(
    one_per: str | None,
    when: str | None,
    keep: int | None,
    *,
    origin: str | None,
    group_by: str | None,
    prefer: str | None,
) -> Iterator[Step]:
    """``--one-per`` and ``--nearest``."""
    from skyhaul.select import nearest as nearest_to
    from skyhaul.select import one_per_period

    if group_by is not None and one_per is None and when is None:
        raise SettingsError("--group-by needs --one-per or --nearest")
    if keep is not None and when is None:
        raise SettingsError("--keep needs --nearest; --per-tile keeps so many of each tile")
    each = f" for each {group_by}" if group_by else ""
    reads = ("start", *_properties(group_by, prefer))
    if one_per is not None:
        per_period = partial(one_per_period, period=one_per, group_by=group_by, prefer=prefer, origin=origin)
        yield Step(
            label=f"--one-per {one_per}{each}", work=per_period, without=_timeless, lack="without a date", reads=reads
        )
    if when is not None:
        near = partial(nearest_to, when=when, count=1 if keep is None else keep, group_by=group_by, prefer=prefer)
        yield Step(label=f"--nearest {when}{each}", work=near, without=_timeless, lack="without a date", reads=reads)


def numbers(per_tile: int | None, prefer: str | None) -> Iterator[Step]:
    """``--per-tile``."""
    from skyhaul.select import limit
    from skyhaul.select.facts import tile

    if per_tile is not None:
        yield Step(
            label=f"--per-tile {per_tile}",
            work=partial(limit, count=per_tile, prefer=prefer),
            without=lambda product: tile(product) is None,
            lack="without a tile",
            reads=_properties(prefer),
        )


def cover(
    area: Area | None, kind: Literal["latest", "smallest"] | None, min_gain: float | None, prefer: str | None
) -> Iterator[Step]:
    """``--cover``."""
    from skyhaul.select import Cover, latest_cover, smallest_cover

    if kind is None:
        if min_gain is not None:
            raise SettingsError("--min-gain needs --cover")
        return
    if area is None:
        raise SettingsError("--cover needs an area: give --aoi, --bbox, --point or --circle")
    cover = {"latest": latest_cover, "smallest": smallest_cover}[kind]
    gain = {} if min_gain is None else {"minimum_gain": min_gain}
    last: list[Cover] = []

    def work(products: Sequence[Product]) -> Sequence[Product]:
        last[:] = [cover(products, area.wkt, prefer=prefer, **gain)]
        return last[0].products

    yield Step(label=f"--cover {kind}", work=work, comment=lambda: _cover_text(last[0]), reads=_properties(prefer))


def _cover_text(cover: Any) -> str:
    needed = cover.at_least
    fewest = (
        "" if not needed else ", no fewer can" if needed == len(cover.products) else f", it takes {needed} at least"
    )
    return f"they show {cover.percent:g} % of the area{fewest}"


def check(todo: Sequence[Step], products: Sequence[Product], names: str | None) -> None:
    """Refuse steps that cannot be done, or that go by what no product has.

    Args:
        todo: the steps.
        products: what they are to be done to.
        names: the file that holds names alone, if one does.

    Raises:
        SettingsError: says which option it is.
    """
    for step in todo:
        with named(step.label):
            step.work([])
        check_properties(step.reads, products, names, step.label)


def check_properties(reads: Iterable[str], products: Sequence[Product], names: str | None, label: str) -> None:
    """Refuse properties that no product has.

    Raises:
        SettingsError: offers those that look alike.
    """
    from skyhaul.select.facts import properties

    for name in reads:
        known = FROM_NAMES if names else {*properties(products), "footprint"}
        if name not in known and names:
            raise SettingsError(f"{label}: {names} holds names alone, which do not say {name!r}")
        if name not in known:
            near = " or ".join(nearest(name, known))
            offered = f"; did you mean {near}?" if near else ""
            raise SettingsError(f"{label}: none of the products has a property {name!r}{offered}")


def taken(step: Step, products: Sequence[Product]) -> tuple[Sequence[Product], str]:
    """What a step leaves of the products, and the sentence about it."""
    left = step.work(products)
    lacking = sum(map(step.without, products)) if step.without else 0
    notes = [note for note in (f"{lacking} {step.lack}" if lacking else "", step.comment()) if note]
    noted = f" ({'; '.join(notes)})" if notes else ""
    return left, f"{step.label}: kept {len(left)} of {len(products)}{noted}"


@contextmanager
def named(option: str) -> Iterator[None]:
    """What cannot be used is said with the option's name in front.

    Raises:
        SettingsError: in place of a ``ValueError``.
    """
    try:
        yield
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from None


def _properties(*given: str | None) -> tuple[str, ...]:
    return tuple(each.removeprefix("-") for each in given if each is not None)


def _timeless(product: Product) -> bool:
    return product.start is None and product.end is None


def _lacks(name: str, product: Product) -> bool:
    from skyhaul.select.facts import value

    return value(product, name) is None
