"""Slices read page by page, several at once → a stream of unique products, and a proof that none is missing.

A page that fails is asked for again, one that cannot be right is not believed, and a slice that cannot be proven complete is named while
the others go on. Ids are kept for the slices being read, and slices share no product.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from anyio import BrokenResourceError, create_task_group
from anyio.streams.memory import MemoryObjectSendStream

from skyhaul.catalogue.asking import Asking, Unsettled
from skyhaul.catalogue.chain import Chained
from skyhaul.catalogue.enumeration import ROUNDS, Completeness, Enumeration, Haul
from skyhaul.catalogue.reading import Reading
from skyhaul.catalogue.slices import split
from skyhaul.errors import CatalogueError, SettingsError, SkyhaulError
from skyhaul.events import SliceFinished
from skyhaul.model import Product, Query
from skyhaul.protocols import Catalogue, Emit, LinkPaging, Page, Slice
from skyhaul.retry import RetryPolicy

SLICE_PRODUCTS = 7900
"""What a slice holds when products are spread evenly: just below eight pages of CDSE, and three quarters of what can be reached there."""


async def enumerate_products(
    catalogue: Catalogue,
    query: Query,
    *,
    retry: RetryPolicy,
    emit: Emit,
    out: MemoryObjectSendStream[Product],
    ordered: bool = False,
) -> Completeness:
    """Send every product that ``query`` finds into ``out``, once, and close it.

    Products are sent as pages arrive, in no order. With ``ordered``, a limit or latest versions alone, slices are read one after the other
    and products are sent in the query's order; no product after the limit is sent. A slow receiver slows the requests, one that closes its
    end has had enough: nothing more is asked for.

    Raises:
        SettingsError: the catalogue cannot be asked this, or has too many products to order them by something else than sensing start.
    """
    asking = Asking(host=query.provider, retry=retry, emit=emit)
    kind = Chained if isinstance(catalogue.paging, LinkPaging) else Paged
    refused: SettingsError | None = None
    async with out:
        enumeration = kind(catalogue, query, asking, out, ordered=ordered)
        try:
            whole = Slice(query=enumeration.query, interval=query.sensing, ordered=enumeration.ordered)
            async with create_task_group() as tasks:
                tasks.start_soon(enumeration.survey)
                try:
                    await enumeration.read(whole)
                except SettingsError as error:
                    refused = error
                tasks.cancel_scope.cancel()
        except* BrokenResourceError:
            pass  # the receiver has had enough
    if refused is not None:
        raise refused
    return enumeration.proved()


class Paged(Enumeration):
    """An enumeration of a catalogue that can skip."""

    def __init__(
        self, catalogue: Catalogue, query: Query, asking: Asking, out: MemoryObjectSendStream[Product], *, ordered: bool
    ) -> None:
        super().__init__(catalogue, query, asking, out, ordered=ordered)
        paging = catalogue.paging
        step = paging.page_size - 1
        # The last page must begin where it may: CDSE OData has $skip ≤ 10 000.
        self.depth = 2 * SLICE_PRODUCTS if paging.deepest_skip is None else (paging.deepest_skip // step + 1) * step

    async def settle(self, part: Slice, haul: Haul) -> tuple[Slice, ...]:
        """See :class:`Enumeration`. Of a slice that is read again only the pages in doubt are asked for."""
        reading = Reading(self.source.paging.page_size)
        again = replace(self.asking.retry, attempts=ROUNDS)
        total = await again.call(partial(self._once, part, reading, haul), self.asking.telling(f"slice {part.name}"))
        if total is not None:
            return await self._parts(part, total)
        self.proven += 1
        self.asking.emit(SliceFinished(slice=part.name, products=reading.products))
        return ()

    async def _once(self, part: Slice, reading: Reading, haul: Haul) -> int | None:
        """Read the pages that are missing or doubtful; the count where there are more than can be reached."""
        await self._begin(part, reading, haul)
        wanted = reading.total if self.room is None or not self.plain else min(reading.total, self.room)
        if wanted > self.depth:
            return reading.total
        failed: list[SkyhaulError] = []

        async def read(skip: int) -> None:
            try:
                page = await self._page(part, skip, haul)
            except SkyhaulError as error:
                failed.append(error)
            else:
                reading.take(skip, _ids(page))

        async with create_task_group() as group:
            for skip in sorted(reading.doubtful(wanted) - {0}):
                group.start_soon(read, skip)
        if failed:
            raise failed[0]
        if doubtful := reading.doubtful(wanted):
            pages = ", ".join(map(str, sorted(doubtful)))
            raise Unsettled(
                f"{part.name}: {wanted} products are counted, and the pages from {pages} do not add up to them"
            )
        return None

    async def _begin(self, part: Slice, reading: Reading, haul: Haul) -> None:
        """Read the first page. Counting is slow (CDSE OData) and left out where one full page is all that is wanted."""
        if self.plain and self.room is not None and self.room <= reading.page_size:
            ids = _ids(await self._page(part, 0, haul))
            if len(set(ids)) >= self.room:
                return reading.begin(len(ids) + 1, ids)  # there may be more, which is all that is asked
        page = await self._page(part, 0, haul, count=True)
        if page.total is None:
            raise Unsettled(f"{part.name}: the catalogue does not say how many products there are")
        return reading.begin(page.total, _ids(page))

    async def _page(self, part: Slice, skip: int, haul: Haul, *, count: bool = False) -> Page:
        ask = partial(self.source.page, part, skip, count=count)
        return await self.page(part, ask, f"products from {skip} of {part.name}", haul)

    async def _parts(self, part: Slice, total: int) -> tuple[Slice, ...]:
        order_by = self.query.order_by
        if order_by.removeprefix("-") != "start":
            raise SettingsError(
                f"{total} products match, of which only the first {self.depth} can be had by {order_by}: "
                "restrict the query, set a lower limit, or order by start"
            )
        extent = await self.extent(part)
        if extent is None:
            raise CatalogueError(f"{part.name}: products are counted where none can be found")
        parts = split(part, total, min(SLICE_PRODUCTS, max(1, self.depth * 3 // 4)), extent, steady=True)
        return parts[::-1] if order_by.startswith("-") else parts


def _ids(page: Page) -> list[str]:
    return [product.id for product in page.products]
