"""Slices read by following links, several chains at once → a stream of unique products, and a proof that none is missing.

A chain is proven complete when it holds as many products as the archive counts, or, where nothing is counted, when it was followed without
a break to a page that has no next one; such an end is asked for twice. A page that was there before, or a link, is an error.

Archives compare a slice with the time span of a product, or with a moment of it other than its start: a product near a cut may come in both
slices that meet there. Ids of such products are kept for the whole enumeration; they are few, whatever its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import cast

from anyio.streams.memory import MemoryObjectSendStream

from skyhaul.catalogue.asking import Asking, Unsettled
from skyhaul.catalogue.enumeration import ROUNDS, Enumeration, Haul
from skyhaul.catalogue.slices import split
from skyhaul.errors import CatalogueError, SettingsError
from skyhaul.events import SliceFinished
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import Catalogue, LinkedCatalogue, Page, Slice

PAGES = 16
"""How many pages a slice has at most when products are spread evenly: its last page is half empty, and its chain is read one by one."""

EMPTY_MAX = 3
"""Empty pages in a row that still lead somewhere: some archives filter a page after they have cut it."""

ORDERED_MAX = 50_000
"""What is held to be put in an order that slices do not have."""

GUESSED_MAX = 4
"""How many parts there are at most for each chain in flight where nothing is counted: what proves too long is cut again."""

NEAR = timedelta(seconds=1)
"""How close to a cut a product is in doubt: archives round times, to milliseconds or to seconds."""


@dataclass(slots=True)
class Chain:
    """The pages of one slice, as they were followed."""

    page_size: int
    ids: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    total: int | None = None
    empty: int = 0

    def take(self, page: Page, name: str) -> str | None:
        """Take the next page; the link to the one after it, ``None`` where the chain ends.

        Raises:
            Unsettled: the page, or the link, was there before.
        """
        ids = {product.id for product in page.products}
        if ids and ids <= self.ids:
            raise Unsettled(f"{name}: a page came again where the next one was asked for")
        self.ids |= ids
        self.total = page.total if self.total is None else self.total
        self.empty = 0 if ids else self.empty + 1
        link = page.next_link
        if link is None or self.empty >= EMPTY_MAX or (not ids and self.counted):
            return None
        if link in self.links:
            raise Unsettled(f"{name}: the links to the next page turn in a circle")
        self.links.add(link)
        return link

    @property
    def counted(self) -> bool:
        """Whether all that the archive counts are there."""
        return self.total is not None and len(self.ids) >= self.total

    def doubtful(self, page: Page) -> bool:
        """Whether ``page`` should be looked at again before it is believed to be the last.

        Pages that come back empty, and full ones that lost their link, look like the end (Planetary Computer has lost links for a time).
        """
        if page.next_link is not None or len(page.products) not in {0, self.page_size}:
            return False
        total = page.total if self.total is None else self.total
        return total is None or len(self.ids.union(product.id for product in page.products)) < total

    def close(self, name: str) -> None:
        """See that nothing is missing.

        Raises:
            Unsettled: the archive counts more than came.
        """
        if self.total is not None and len(self.ids) < self.total:
            raise Unsettled(f"{name}: {self.total} products are counted, and {len(self.ids)} came")


class Chained(Enumeration):
    """An enumeration of a catalogue whose pages are linked."""

    def __init__(
        self, catalogue: Catalogue, query: Query, asking: Asking, out: MemoryObjectSendStream[Product], *, ordered: bool
    ) -> None:
        super().__init__(catalogue, query, asking, out, ordered=ordered)
        self.linked = cast("LinkedCatalogue", catalogue)
        self.doubles: set[str] = set()

    def fresh(self, page: Page, part: Slice, haul: Haul) -> list[Product]:
        """See :class:`Enumeration`. Of products near a cut, those that no other slice has given."""
        fresh = super().fresh(page, part, haul)
        near = {product.id for product in fresh if not _well_inside(product, part.interval)}
        known = {product.id for product in fresh} & self.doubles
        self.doubles |= near
        return [product for product in fresh if product.id not in known]

    async def settle(self, part: Slice, haul: Haul) -> tuple[Slice, ...]:
        """See :class:`Enumeration`. A slice whose count does not come out is read again from its first page."""
        again = replace(self.asking.retry, attempts=ROUNDS)
        chain = Chain(self.linked.paging.page_size)

        async def once() -> tuple[Slice, ...]:
            nonlocal chain
            chain = Chain(self.linked.paging.page_size)
            return await self._follow(part, haul, chain)

        parts = await again.call(once, self.asking.telling(f"slice {part.name}"))
        if not parts:
            self.proven += 1
            self.asking.emit(SliceFinished(slice=part.name, products=len(chain.ids)))
        return parts

    async def _follow(self, part: Slice, haul: Haul, chain: Chain) -> tuple[Slice, ...]:
        page = await self._page(part, None, haul, chain)
        link = chain.take(page, part.name)
        if (
            link is not None
            and not page.at_hand
            and not self._enough(haul)
            and (parts := await self._parts(part, page))
        ):
            return parts
        while link is not None and not self._enough(haul):
            self._check_order(haul)
            link = chain.take(await self._page(part, link, haul, chain), part.name)
        if link is None:
            chain.close(part.name)
        return ()

    async def _page(self, part: Slice, link: str | None, haul: Haul, chain: Chain) -> Page:
        """The page that ``link`` leads to, the first without one; what may be no end is asked for twice."""
        if link is None:
            ask, what = partial(self.linked.page, part, 0, count=True), part.name
        else:
            ask, what = partial(self.linked.following, part, link), f"next page of {part.name}"
        page = await self.page(part, ask, what, haul)
        if chain.doubtful(page) and not self._enough(haul):
            page = await self.page(part, ask, what, haul)
        return page

    def _enough(self, haul: Haul) -> bool:
        """Whether what is kept holds all that is wanted."""
        ready = self.room is not None and not self.latest and self.linked.paging.sorted
        return ready and self.room is not None and len(haul.kept) >= self.room

    def _check_order(self, haul: Haul) -> None:
        if len(haul.kept) > ORDERED_MAX:
            raise SettingsError(
                f"more than {ORDERED_MAX} products match, too many to order them by {self.query.order_by}: restrict the query, set a lower "
                "limit, or order by start"
            )

    async def _parts(self, part: Slice, first: Page) -> tuple[Slice, ...]:
        """What to read instead of a slice that would be a long chain, as far as its first page shows."""
        if self.query.order_by.removeprefix("-") != "start":
            return ()
        size = PAGES * self.linked.paging.page_size
        wanted = self.room if self.plain else None
        if (first.total is not None and first.total <= size) or (wanted is not None and wanted <= size):
            return ()
        extent = await self.extent(part)
        total = first.total or (extent and estimated(first.products, extent))
        if extent is None or not total or total <= size:
            return ()
        # As many as are read side by side, or twice, three times as many: none is left to be read alone. They are more than the requests
        # in flight, for a chain asks for nothing while its page is decoded.
        at_once = self.linked.paging.concurrency * 3 // 2
        count = -(-total // (size * at_once)) * at_once
        if first.total is None:
            count = min(count, GUESSED_MAX * at_once)
        try:
            parts = split(part, total, -(-total // count), extent)
        except CatalogueError:
            return ()  # all in one instant: a long chain, then
        return parts[::-1] if self.query.order_by.startswith("-") else parts


def estimated(products: Sequence[Product], extent: TimeInterval) -> int | None:
    """How many products there may be in ``extent``, by how close those of a page follow each other.

    ``None`` where they are in no order, or all in one instant.
    """
    moments = [product.start for product in products if product.start is not None]
    if len(moments) < 2 or moments not in (sorted(moments), sorted(moments, reverse=True)):  # noqa: PLR2004 a span has two ends
        return None
    if extent.start is None or extent.end is None or moments[0] == moments[-1]:
        return None
    span = max(abs(moments[-1] - moments[0]), timedelta(seconds=1))
    return round(len(moments) * ((extent.end - extent.start) / span))


def _well_inside(product: Product, interval: TimeInterval) -> bool:
    """Whether no other slice can hold the product: all of its time lies in ``interval``, not close to an end."""
    moments: list[datetime] = [each for each in (product.start, product.end) if each is not None]
    if not moments:
        return interval.open
    return (interval.start is None or min(moments) - NEAR >= interval.start) and (
        interval.end is None or max(moments) + NEAR < interval.end
    )
