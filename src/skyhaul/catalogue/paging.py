"""Slices read page by page, several at once → a stream of unique products, and a proof that none is missing.

A page that fails is asked for again, one that cannot be right is not believed, and a slice that cannot be proven complete is named while
the others go on. Memory does not grow with the result: ids are kept for the slices being read, and slices share no product.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter

from anyio import BrokenResourceError, CapacityLimiter, WouldBlock, create_task_group
from anyio.streams.memory import MemoryObjectSendStream

from skyhaul.catalogue.asking import Asking, Unsettled
from skyhaul.catalogue.odata import name_check
from skyhaul.catalogue.reading import Reading
from skyhaul.catalogue.slices import split
from skyhaul.catalogue.versions import latest_versions
from skyhaul.errors import AccessDenied, CatalogueError, RemoteError, SettingsError, SkyhaulError
from skyhaul.events import PageRead, ProductFound, SliceFailed, SliceFinished, SlicePlanned
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import Catalogue, Emit, Page, Slice
from skyhaul.retry import RetryPolicy

SLICE_PRODUCTS = 7900
"""What a slice holds when products are spread evenly: just below eight pages of CDSE, and three quarters of what can be reached there."""

ROUNDS = 8
"""How often a slice is read until it is proven complete; only the pages in doubt are asked for again."""

_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incomplete:
    """A slice that could not be read completely, and why."""

    slice: str
    error: str
    kind: str = CatalogueError.__name__
    exit_code: int = CatalogueError.exit_code

    def __str__(self) -> str:
        return f"{self.slice}: {self.error}"

    @classmethod
    def by(cls, name: str, error: SkyhaulError) -> Incomplete:
        """The slice ``name``, failed by ``error``."""
        exit_code = error.exit_code if isinstance(error, AccessDenied) else CatalogueError.exit_code
        return cls(
            slice=name, error=str(error), kind=(error.__cause__ or error).__class__.__name__, exit_code=exit_code
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """What an enumeration proved. ``slices`` counts those that are proven complete, ``missing`` names what was looked up in vain."""

    slices: int = 0
    products: int = 0
    incomplete: tuple[Incomplete, ...] = ()
    missing: tuple[str, ...] = ()

    def joined(self, other: Completeness) -> Completeness:
        """Both enumerations as one."""
        return Completeness(
            slices=self.slices + other.slices,
            products=self.products + other.products,
            incomplete=self.incomplete + other.incomplete,
            missing=self.missing + other.missing,
        )

    @property
    def exit_code(self) -> int:
        """What this means for the run: 0, 4 where something could not be read, 5 where the account is not let in."""
        return max((each.exit_code for each in self.incomplete), default=0)


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
    async with out:
        reader = _Reader(catalogue, query, Asking(host=query.provider, retry=retry, emit=emit), out, ordered=ordered)
        try:
            await reader.read(Slice(query=reader.query, interval=query.sensing))
        except* BrokenResourceError:
            pass  # the receiver has had enough
    return Completeness(slices=reader.proven, products=reader.sent, incomplete=tuple(reader.incomplete))


@dataclass(slots=True)
class _Haul:
    """What a slice has given so far, over all readings. ``kept`` waits to be put in order."""

    ids: set[str] = field(default_factory=set)
    kept: list[Product] = field(default_factory=list)


class _Reader:
    """One enumeration under way."""

    def __init__(
        self, catalogue: Catalogue, query: Query, asking: Asking, out: MemoryObjectSendStream[Product], *, ordered: bool
    ) -> None:
        paging = catalogue.paging
        step = paging.page_size - 1
        self.catalogue, self.asking, self.out = catalogue, asking, out
        self.check = name_check(query.names)
        self.ordered = ordered or query.latest_version or query.limit is not None
        # What the catalogue finds is what is sent: a limit can be left to it.
        self.plain = self.check is None and not query.latest_version
        self.query = replace(
            query,
            limit=query.limit if self.plain else None,
            order_by=query.order_by if self.ordered else "start",
        )
        self.latest = query.latest_version
        self.room = query.limit
        # The last page must begin where it may: CDSE OData has $skip ≤ 10 000.
        self.depth = 2 * SLICE_PRODUCTS if paging.deepest_skip is None else (paging.deepest_skip // step + 1) * step
        # The catalogue limits what is in flight; twice as much may be waiting for its turn or for the receiver.
        self.places = CapacityLimiter(2 * paging.concurrency)
        self.slices = CapacityLimiter(2 * paging.concurrency)
        self.proven = 0
        self.sent = 0
        self.incomplete: list[Incomplete] = []

    async def read(self, part: Slice, seen: frozenset[str] = frozenset(), replaces: str | None = None) -> None:
        """Read ``part``, by itself or in parts; ``seen`` holds ids that were sent before it was split off."""
        if self.room == 0:
            return
        self.asking.emit(SlicePlanned(slice=part.name, replaces=replaces))
        haul = _Haul(ids=set(seen))
        try:
            async with self.slices:
                parts = await self._settle(part, haul)
                if not parts:
                    await self._deliver(haul)
        except (RemoteError, CatalogueError) as error:
            self._fail(part, error)
            await self._deliver(haul)
        else:
            await self._read_all(parts, frozenset() if self.ordered else frozenset(haul.ids), part.name)

    async def _read_all(self, parts: Iterable[Slice], seen: frozenset[str], replaces: str) -> None:
        if self.ordered:
            for part in parts:
                await self.read(part, seen, replaces)
            return
        async with create_task_group() as group:
            for part in parts:
                group.start_soon(self.read, part, seen, replaces)

    async def _settle(self, part: Slice, haul: _Haul) -> tuple[Slice, ...]:
        """Read ``part`` until it is proven complete; the parts to read instead where it is too deep."""
        reading = Reading(self.catalogue.paging.page_size)
        again = replace(self.asking.retry, attempts=ROUNDS)
        total = await again.call(partial(self._once, part, reading, haul), self.asking.telling(f"slice {part.name}"))
        if total is not None:
            return await self._parts(part, total)
        self.proven += 1
        self.asking.emit(SliceFinished(slice=part.name, products=reading.products))
        return ()

    async def _once(self, part: Slice, reading: Reading, haul: _Haul) -> int | None:
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

    async def _begin(self, part: Slice, reading: Reading, haul: _Haul) -> None:
        """Read the first page. Counting is slow (CDSE OData) and left out where one full page is all that is wanted."""
        if self.plain and self.room is not None and self.room <= reading.page_size:
            ids = _ids(await self._page(part, 0, haul))
            if len(set(ids)) >= self.room:
                return reading.begin(len(ids) + 1, ids)  # there may be more, which is all that is asked
        page = await self._page(part, 0, haul, count=True)
        if page.total is None:
            raise Unsettled(f"{part.name}: the catalogue does not say how many products there are")
        return reading.begin(page.total, _ids(page))

    async def _page(self, part: Slice, skip: int, haul: _Haul, *, count: bool = False) -> Page:
        """One page, its products handed on. The place is held until the receiver has them all, which is the brake."""

        async def ask() -> Page:
            started_s = time.monotonic()
            page = await self.catalogue.page(part, skip, count=count)
            seconds = time.monotonic() - started_s
            self.asking.emit(PageRead(slice=part.name, products=len(page.products), seconds=seconds, total=page.total))
            return page

        async with self.places:
            page = await self.asking.answer(ask, f"products from {skip} of {part.name}")
            fresh = {product.id: product for product in page.products if product.id not in haul.ids}
            haul.ids.update(fresh)
            matching = [product for product in fresh.values() if self.check is None or self.check(product.name)]
            if self.ordered:
                haul.kept += matching
            else:
                await self._send(matching)
        return page

    async def _parts(self, part: Slice, total: int) -> tuple[Slice, ...]:
        order_by = self.query.order_by
        if order_by.removeprefix("-") != "start":
            raise SettingsError(
                f"{total} products match, of which only the first {self.depth} can be had by {order_by}: "
                "restrict the query, set a lower limit, or order by start"
            )
        extent = part.interval
        if extent.start is None or extent.end is None:
            found = await self._extent(part)
            extent = replace(found, start=extent.start or found.start, end=extent.end or found.end)
        parts = split(part, total, min(SLICE_PRODUCTS, max(1, self.depth * 3 // 4)), extent)
        return parts[::-1] if order_by.startswith("-") else parts

    async def _extent(self, part: Slice) -> TimeInterval:
        async with self.places:
            inside = replace(part.query, sensing=part.interval)
            found = await self.asking.answer(partial(self.catalogue.extent, inside), f"extent of {part.name}")
        if found is None:
            raise CatalogueError(f"{part.name}: products are counted where none can be found")
        return found

    async def _deliver(self, haul: _Haul) -> None:
        """Send what was kept to be put in order, up to the limit."""
        order_by = self.query.order_by
        moment = attrgetter(order_by.removeprefix("-"))
        haul.kept.sort(key=lambda product: (moment(product) or _LAST, product.id), reverse=order_by.startswith("-"))
        await self._send(latest_versions(haul.kept) if self.latest else haul.kept)

    async def _send(self, products: list[Product]) -> None:
        for product in products[: self.room]:
            self.asking.emit(ProductFound(product=product.id, name=product.name, size=product.size))
            try:
                self.out.send_nowait(product)  # a tenth of what waiting for one's turn costs
            except WouldBlock:
                await self.out.send(product)
        self.sent += len(products[: self.room])
        self.room = self.room and max(0, self.room - len(products))

    def _fail(self, part: Slice, error: SkyhaulError) -> None:
        self.asking.emit(SliceFailed(slice=part.name, error=str(error)))
        self.incomplete.append(Incomplete.by(part.name, error))


def _ids(page: Page) -> list[str]:
    return [product.id for product in page.products]
