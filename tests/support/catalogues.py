"""A catalogue in memory that pages as CDSE does, and goes wrong as it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter

import anyio
from anyio.lowlevel import checkpoint

from skyhaul.catalogue.here import sorted_out
from skyhaul.catalogue.odata import ASKED
from skyhaul.catalogue.paging import Completeness, enumerate_products
from skyhaul.errors import CatalogueError, RequestRefused, SkyhaulError
from skyhaul.events import Event
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import Here, Page, Paging, Slice
from skyhaul.retry import RetryPolicy

EPOCH = datetime(2024, 4, 1, tzinfo=UTC)
AT_ONCE = RetryPolicy(attempts=4, wait_initial_s=0, wait_max_s=0)
LAST = datetime.max.replace(tzinfo=UTC)


def product(number: int, seconds: float = 0.0, *, name: str | None = None, **more: object) -> Product:
    """A product whose id orders by ``number``, sensed so many seconds after ``EPOCH``."""
    start = EPOCH + timedelta(seconds=seconds)
    return Product(id=f"{number:08d}", name=name or f"P{number:08d}", provider="cdse", start=start, end=start, **more)


def timeline(*seconds: float) -> list[Product]:
    return [product(number, each) for number, each in enumerate(seconds)]


@dataclass(frozen=True, slots=True)
class Raise:
    """The request fails."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Spoil:
    """The page is not what it should be."""

    how: str

    def page(self, page: Page) -> Page:
        products, total = page.products, page.total
        match self.how:
            case "empty":
                products = ()
            case "shifted":
                products = (*products[:1], *products[:-1])
            case "doubled":
                products = (*products, *products[-1:])
            case "holed":
                products = (*products[:1], *products[2:])
            case "repeated":
                products = (*products[:1], *products[:1], *products[2:])
            case "count+1":
                total = None if total is None else total + 1
            case "count-1":
                total = None if total is None else max(0, total - 1)
            case "uncounted":
                total = None
        return Page(products=products, total=total)


@dataclass(frozen=True, slots=True)
class Publish:
    """A product appears just before the answer."""

    product: Product


@dataclass(frozen=True, slots=True)
class Delete:
    """A product goes just before the answer."""

    id: str


Fault = Raise | Spoil | Publish | Delete


@dataclass
class FakeCatalogue:
    """``faults`` strike the n-th request, counted from 0; ``always`` sees each request and may name a fault."""

    products: list[Product]
    faults: Mapping[int, Fault] = field(default_factory=dict)
    always: Callable[[Slice, int], Fault | None] = lambda _part, _skip: None
    paging: Paging = field(default_factory=lambda: Paging(page_size=10, deepest_skip=40, concurrency=4))
    requests: list[tuple[str, int]] = field(default_factory=list)
    extents: int = 0
    places: anyio.CapacityLimiter = field(init=False)
    in_flight: int = 0
    most_in_flight: int = 0
    named_requests: list[Sequence[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.places = anyio.CapacityLimiter(self.paging.concurrency)

    def here(self, query: Query) -> Here | None:
        return sorted_out(query, asked=ASKED - {"names"}, archive="fake")

    async def page(self, part: Slice, skip: int, *, count: bool) -> Page:
        if self.paging.deepest_skip is not None and skip > self.paging.deepest_skip:
            raise RequestRefused("Input should be less than or equal to 10000", status=422)
        number = len(self.requests)
        self.requests.append((part.name, skip))
        await self._travel()
        fault = self.faults.get(number) or self.always(part, skip)
        found = self._answer(fault, lambda: self._found(part))
        top = min(self.paging.page_size, part.query.limit or self.paging.page_size)
        page = Page(products=tuple(found[skip : skip + top]), total=len(found) if count else None)
        return fault.page(page) if isinstance(fault, Spoil) else page

    async def extent(self, query: Query) -> TimeInterval | None:
        self.extents += 1
        await self._travel()
        found = self._found(Slice(query=replace(query, order_by="start"), interval=query.sensing))
        if not found:
            return None
        return TimeInterval(start=found[0].start, end=found[-1].start + timedelta(microseconds=1))

    async def named(self, names: Sequence[str]) -> Page:
        number = len(self.named_requests)
        self.named_requests.append(names)
        await self._travel()
        fault = self.faults.get(number)
        found = self._answer(fault, lambda: [each for each in self.products if each.name in names])
        page = Page(products=tuple(found))
        return fault.page(page) if isinstance(fault, Spoil) else page

    async def _travel(self) -> None:
        async with self.places:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                for _ in range(3):
                    await checkpoint()
            finally:
                self.in_flight -= 1

    def _answer(self, fault: Fault | None, found: Callable[[], list[Product]]) -> list[Product]:
        match fault:
            case Raise(error):
                raise error
            case Publish(new):
                self.products.append(new)
            case Delete(gone):
                self.products[:] = [each for each in self.products if each.id != gone]
        return found()

    def _found(self, part: Slice) -> list[Product]:
        moment = attrgetter(part.query.order_by.removeprefix("-"))
        inside = [
            each
            for each in self.products
            if (part.interval.start is None or each.start >= part.interval.start)
            and (part.interval.end is None or each.start < part.interval.end)
            and (not part.query.ids or each.id in part.query.ids)
        ]
        return sorted(
            inside, key=lambda each: (moment(each) or LAST, each.id), reverse=part.query.order_by.startswith("-")
        )


@dataclass
class Found:
    """What came of an enumeration."""

    products: list[Product] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    completeness: Completeness = field(default_factory=Completeness)

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.products]

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if type(event) is kind]


async def enumerated(
    catalogue: FakeCatalogue, query: Query | None = None, *, retry: RetryPolicy = AT_ONCE, ordered: bool = False
) -> Found:
    """Everything that the enumeration sends; what it raises is raised."""
    found, raised = Found(), []
    send, receive = anyio.create_memory_object_stream[Product](0)

    async def enumerate_all() -> None:
        try:
            found.completeness = await enumerate_products(
                catalogue, query or Query(), retry=retry, emit=found.events.append, out=send, ordered=ordered
            )
        except SkyhaulError as error:
            raised.append(error)

    async with anyio.create_task_group() as group, receive:
        group.start_soon(enumerate_all)
        async for each in receive:
            found.products.append(each)
    if raised:
        raise raised[0]
    return found


def unreadable() -> CatalogueError:
    return CatalogueError("the catalogue of cdse answered with a web page")
