"""A catalogue in memory whose pages are linked, and goes wrong as it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import anyio
from anyio.lowlevel import checkpoint

from skyhaul.catalogue.here import begins_in, sorted_out
from skyhaul.catalogue.odata import ASKED
from skyhaul.errors import CatalogueError
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import Here, LinkPaging, Page, Slice

EARLIEST = datetime.min.replace(tzinfo=UTC)

Fault = Exception | str
"""What a request is answered with: an error, or a page that is spoilt in this way."""


@dataclass
class LinkedCatalogue:
    """Finds what reaches into a slice, the newest first, and links to the rest of it. ``faults`` strike the n-th request, from 0.

    ``counts`` is whether answers say how many there are, ``counted`` whether they are known to and the latest modification can be
    asked for; ``extends`` whether it can say where products lie.
    """

    products: list[Product]
    faults: Mapping[int, Fault] = field(default_factory=dict)
    always: Callable[[int], Fault | None] = lambda _: None
    counts: bool = False
    counted: bool = False
    extends: bool = True
    sorts: bool = True
    page_size: int = 10
    requests: list[str] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self.paging = LinkPaging(page_size=self.page_size, concurrency=4, sorted=self.sorts, counted=self.counted)
        self.places = anyio.CapacityLimiter(4)

    def here(self, query: Query) -> Here | None:
        left = sorted_out(query, asked=ASKED - {"names", "cloud_max"}, archive="fake")
        if query.sensing.open:
            return left
        begins = begins_in(query.sensing)
        if left is None:
            return Here(fields=(), keeps=begins, edges=True)
        return replace(left, keeps=lambda product: begins(product) and left.keeps(product))

    async def page(self, part: Slice, skip: int, *, count: bool) -> Page:
        assert skip == 0
        return await self._at(part, 0)

    async def following(self, part: Slice, link: str) -> Page:
        return await self._at(part, int(link))

    async def extent(self, query: Query) -> TimeInterval | None:
        await self._travel()
        starts = sorted(product.start for product in self.products)
        if not starts or not self.extends:
            return None
        return TimeInterval(start=starts[0], end=starts[-1] + timedelta(microseconds=1))

    async def named(self, names):
        raise AssertionError("nothing is looked up by name here")

    async def _at(self, part: Slice, skip: int) -> Page:
        number = len(self.requests)
        self.requests.append(f"{part.name} {skip}")
        await self._travel()
        fault = self.faults.get(number) or self.always(number)
        if isinstance(fault, Exception):
            raise fault
        found = self._found(part)
        top = min(self.page_size, part.query.limit or self.page_size)
        products, after = found[skip : skip + top], skip + top
        link = str(after) if after < len(found) else None
        total = len(found) if self.counts else None
        match fault:
            case "empty":
                products, link = [], None
            case "empty, going on":
                products, link = [], str(skip) + "0" * number
            case "unlinked":
                link = None
            case "circle":
                link = str(skip)
            case "again":
                products = found[:top]
            case "count+1":
                total = len(found) + 1
        return Page(products=tuple(products), total=total, next_link=link)

    async def _travel(self) -> None:
        async with self.places:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            for _ in range(3):
                await checkpoint()
            self.in_flight -= 1

    def _found(self, part: Slice) -> list[Product]:
        start, end, ids = part.interval.start, part.interval.end, part.query.ids
        inside = [
            each
            for each in self.products
            if (not ids or each.id in ids)
            and (start is None or each.end >= start)
            and (end is None or each.start <= end)  # the far end counts in
        ]
        if part.query.order_by == "-modified":
            return sorted(inside, key=lambda each: each.modified or EARLIEST, reverse=True)
        return sorted(inside, key=lambda each: (each.start, each.id), reverse=not self._ascending(part))

    def _ascending(self, part: Slice) -> bool:
        return self.sorts and part.ordered and not part.query.order_by.startswith("-")


def unreadable() -> CatalogueError:
    return CatalogueError("the catalogue of fake answered with a web page")
