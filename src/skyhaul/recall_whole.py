"""What an earlier run proved of a whole query need not be read again where pages are linked: one request shows that it is as it was.

Slices of linked pages move with what is found, so it is the query that is remembered. Before anything of it is read, the archive is asked
for its most recently modified product, and says with it how many there are (:attr:`skyhaul.protocols.LinkPaging.counted`). The query is
remembered once as many products were read, the latest of them modified then: what came, went or changed while pages were read would show. A
later run asks the same and, told the same, takes all products from the journal: one request, and no page.

Read as before is whatever leaves a doubt: products that do not tell when they were modified, a latest modification of a moment ago, many
products that are not verified on disk, a request that fails. Not seen is what an archive puts in with a modification older than others have
and takes out for it something else. Archives that state no total (CDSE STAC, the Planetary Computer), or cannot sort by modification
(GEODES, resto, the NOA mirror), are read page by page in every run, and so is a query whose time begins so many days ago.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from anyio import Lock

from skyhaul.catalogue.chain import ORDERED_MAX
from skyhaul.errors import CatalogueError, RemoteError
from skyhaul.events import Event, SliceFinished
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import LinkedCatalogue, LinkPaging, Page, Slice
from skyhaul.recall import Recalling, known_of, micros, number_of, product_of

SETTLED_S = 60
"""How long ago the latest modification has to be: another one in the same moment would not show."""

STORED = 1000
"""Products that are taken from the journal at a time."""

_PROVEN = (
    "INSERT OR REPLACE INTO parts SELECT ?, total, newest, ? FROM "
    "(SELECT count(*) AS total, count(modified_us) AS told, max(modified_us) AS newest FROM seen WHERE part = ?) "
    "WHERE told = total AND total = ? AND newest = ?"
)
_COUNT = "SELECT count(*) FROM seen WHERE part = ?"
_ROWS = (
    "SELECT product, name, start_us, published_us, modified_us, size, kept FROM seen "
    "WHERE part = ? AND product > ? ORDER BY product LIMIT ?"
)

Told = tuple[int, int]
"""How many products there are, and when the latest modification was."""


@dataclass(slots=True, kw_only=True)
class _Whole:
    """The query: ``told`` before it is read, where that can be remembered; ``known`` is whether the journal has all of it."""

    number: int
    told: Told | None
    known: bool = False
    full: Mapping[str, Product] = field(default_factory=dict)
    read: int = 0


@dataclass(slots=True)
class RecallingWhole(Recalling):
    """A linked catalogue that takes all of a query from the journal, or nothing. It is for one query."""

    _beginning: Lock = field(default_factory=Lock)
    _whole: _Whole | None = None

    @property
    def paging(self) -> LinkPaging:
        """See :class:`skyhaul.protocols.LinkedCatalogue`."""
        return cast("LinkedCatalogue", self.catalogue).paging

    async def extent(self, query: Query) -> TimeInterval | None:
        """See :class:`skyhaul.protocols.Catalogue`. Nothing is asked where nothing will be cut."""
        whole = await self._begun(query)
        return None if whole.known else await self.catalogue.extent(query)

    async def page(self, part: Slice, skip: int, *, count: bool) -> Page:
        """See :class:`skyhaul.protocols.LinkedCatalogue`."""
        whole = await self._begun(part.query)
        if whole.known:
            return await self._stored(whole, part.query, "")
        return self._taken(whole, part, await self.catalogue.page(part, skip, count=count))

    async def following(self, part: Slice, link: str) -> Page:
        """See :class:`skyhaul.protocols.LinkedCatalogue`."""
        whole = await self._begun(part.query)
        if whole.known:
            return await self._stored(whole, part.query, link)
        return self._taken(whole, part, await cast("LinkedCatalogue", self.catalogue).following(part, link))

    def heard(self, event: Event) -> None:
        """Once as many products were read as there are, the query is remembered if they prove to be them."""
        whole = self._whole
        if whole is None or not isinstance(event, SliceFinished):
            return
        if whole.known:
            self.journal.put("UPDATE parts SET used_s = ? WHERE id = ?", time.time(), whole.number)
        elif whole.told is not None and whole.read >= whole.told[0]:
            self.journal.put(_PROVEN, whole.number, time.time(), whole.number, *whole.told)

    async def _begun(self, query: Query) -> _Whole:
        async with self._beginning:
            if self._whole is None:
                whole = Slice(query=query, interval=query.sensing)
                self._whole = await self._compared(whole, number_of(whole))
        return self._whole

    async def _compared(self, part: Slice, number: int) -> _Whole:
        """The query as it is now, beside what is known of it."""
        told = await self._told(part)
        known, left = await self.journal.ask(lambda db: known_of(db, number, self.wish))
        if told is not None and told == known and await self._enough(part.query, number, told, left):
            full = {product.id: product for product in await self.looked_up(part.query, left)}
            if full.keys() == set(left):
                return _Whole(number=number, told=told, known=True, full=full)
        self.journal.put("DELETE FROM parts WHERE id = ?", number)
        self.journal.put("DELETE FROM seen WHERE part = ?", number)
        settled = told is not None and told[1] < (time.time() - SETTLED_S) * 1e6
        return _Whole(number=number, told=told if settled else None)

    async def _enough(self, query: Query, number: int, told: Told, left: Sequence[str]) -> bool:
        """Whether the journal has all of it, of which little has to be looked up, and it is not too much to be put in an order."""
        if len(left) * self.paging.page_size > told[0] or (query.latest_version and told[0] > ORDERED_MAX):
            return False
        [(rows,)] = await self.journal.ask(lambda db: db.execute(_COUNT, (number,)).fetchall())
        return bool(rows == told[0])

    async def _told(self, part: Slice) -> Told | None:
        newest = replace(part, query=replace(part.query, order_by="-modified", limit=1), ordered=True)
        try:
            page = await self.asking.answer(
                lambda: self.catalogue.page(newest, 0, count=True), "count and latest modification"
            )
        except (RemoteError, CatalogueError):
            return None  # what is wrong will be told by whoever reads
        modified = micros(page.products[0].modified) if page.products else None
        return None if page.total is None or modified is None else (page.total, modified)

    def _taken(self, whole: _Whole, part: Slice, page: Page) -> Page:
        if whole.told is not None:
            self.note(whole.number, part.query, page)
            whole.read += len(page.products)
        return page

    async def _stored(self, whole: _Whole, query: Query, after: str) -> Page:
        asked = (whole.number, after, STORED)
        rows: list[Sequence[Any]] = await self.journal.ask(lambda db: db.execute(_ROWS, asked).fetchall())
        return Page(
            products=tuple(whole.full.get(row[0]) or product_of(row, query) for row in rows),
            total=whole.told and whole.told[0],
            next_link=rows[-1][0] if len(rows) == STORED else None,
            at_hand=True,
        )
