"""What an earlier run proved of a query need not be read again: one request shows that a slice is as it was.

A slice that was read to its end is in the journal: its products, how many the catalogue counted, the latest modification among them. Asked
for its count and its most recently modified product, the catalogue gives the same two again as long as nothing came, went or changed. Its
products are then taken from the journal, if all but a few of them are verified on disk: of the others the catalogue's facts are needed, and
reading a page gives more of them at once than looking them up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Any

from skyhaul.catalogue.asking import Asking
from skyhaul.catalogue.lookup import AT_ONCE
from skyhaul.errors import ObjectMissing
from skyhaul.events import Event, SliceFinished
from skyhaul.journal import Journal
from skyhaul.model import Outcome, Product, ProductResult, Query, RemoteObject, TimeInterval
from skyhaul.pipeline import Craft, Job
from skyhaul.protocols import Catalogue, Here, LinkPaging, Page, Paging, Slice

RECALLED = "skyhaul:recalled"
"""The attribute that marks a product of which only the journal was asked; it tells whether the query keeps it."""

KEPT_S = 30 * 86_400.0
"""How long a slice is remembered that no run asks for: one that began ``30d`` ago is another one every time."""

_PARTS = "CREATE TABLE IF NOT EXISTS parts (id INTEGER PRIMARY KEY, total INTEGER, modified_us INTEGER, used_s REAL NOT NULL)"
_SEEN = (
    "CREATE TABLE IF NOT EXISTS seen (part INTEGER NOT NULL, product TEXT NOT NULL, name TEXT NOT NULL, start_us INTEGER, "
    "published_us INTEGER, modified_us INTEGER, size INTEGER, kept INTEGER NOT NULL, PRIMARY KEY (part, product)) WITHOUT ROWID"
)
_PROVEN = (
    "INSERT OR REPLACE INTO parts "
    "SELECT ?, count(*), CASE WHEN count(*) = count(modified_us) THEN max(modified_us) END, ? FROM seen WHERE part = ?"
)
_SMALL = "INSERT OR REPLACE INTO parts VALUES (?, ?, NULL, ?)"
_LEFT = (
    "SELECT product FROM seen LEFT JOIN products ON products.id = seen.product WHERE part = ? AND kept "
    "AND (products.state IS NOT 'verified' OR products.wish NOT IN ('whole', ?))"
)
_ROWS = "SELECT product, name, start_us, published_us, modified_us, size, kept FROM seen WHERE part = ?"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime.min.replace(tzinfo=UTC)


def recallable(catalogue: Catalogue, query: Query) -> bool:
    """Whether ``query`` can be taken from the journal: in order of its start, and from a catalogue that counts."""
    counted = not isinstance(catalogue.paging, LinkPaging) or catalogue.paging.counted
    return query.order_by == "start" and query.limit is None and counted


@dataclass(slots=True)
class Recalling:
    """A catalogue that takes from the journal what it can. ``wish`` is what of each product is wanted on disk."""

    catalogue: Catalogue
    journal: Journal
    wish: str
    asking: Asking
    _open: dict[str, int] = field(default_factory=dict)
    _served: dict[int, Sequence[Product]] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.journal.put(_PARTS)
        self.journal.put(_SEEN)
        self.journal.put("DELETE FROM parts WHERE used_s < ?", time.time() - KEPT_S)
        self.journal.put("DELETE FROM seen WHERE part NOT IN (SELECT id FROM parts)")

    @property
    def paging(self) -> Paging:
        """See :class:`skyhaul.protocols.Catalogue`."""
        return self.catalogue.paging

    def here(self, query: Query) -> Here | None:
        """See :class:`skyhaul.protocols.Catalogue`. What was compared before is not compared again."""
        found = self.catalogue.here(query)
        if found is None:
            return None
        keeps, tells = found.keeps, found.tells
        return replace(
            found,
            keeps=lambda product: product.attributes[RECALLED] is True if recalled(product) else keeps(product),
            tells={name: partial(_told, tell) for name, tell in tells.items()},
        )

    async def extent(self, query: Query) -> TimeInterval | None:
        """See :class:`skyhaul.protocols.Catalogue`.

        Of what one slice held before it is nothing until the first page is there, which tells whether it has to be cut now.
        """
        whole = number_of(Slice(query=query, interval=query.sensing))
        if whole not in self._seen and await self.journal.ask(partial(_known, number=whole)):
            return None
        return await self.catalogue.extent(query)

    async def named(self, names: Sequence[str]) -> Page:
        """See :class:`skyhaul.protocols.Catalogue`."""
        return await self.catalogue.named(names)

    async def page(self, part: Slice, skip: int, *, count: bool) -> Page:
        """See :class:`skyhaul.protocols.Catalogue`."""
        number = number_of(part)
        if skip == 0 and count and part.name not in self._open:
            self._open[part.name] = number
            if products := await self._recalled(part, number):
                self._served[number] = products
            else:
                self.journal.put("DELETE FROM parts WHERE id = ?", number)
                self.journal.put("DELETE FROM seen WHERE part = ?", number)
        if number in self._served:
            products = self._served[number]
            return Page(products=tuple(products[skip : skip + self.paging.page_size]), total=len(products))
        page = await self.catalogue.page(part, skip, count=count)
        self._seen.add(number)
        if page.total is not None and page.total < self.paging.page_size:
            # Read anew by one request, as many as it would take to see that it is as it was.
            self._open.pop(part.name, None)
            if part.interval == part.query.sensing:
                self.journal.put(_SMALL, number, page.total, time.time())
        if part.name in self._open:
            self.note(number, part.query, page)
        return page

    def heard(self, event: Event) -> None:
        """A slice that is proven complete is remembered; what was kept of it is let go."""
        number = self._open.pop(event.slice, None) if isinstance(event, SliceFinished) else None
        if number is None:
            return
        if self._served.pop(number, None) is None:
            self.journal.put(_PROVEN, number, time.time(), number)
        else:
            self.journal.put("UPDATE parts SET used_s = ? WHERE id = ?", time.time(), number)

    def note(self, number: int, query: Query, page: Page) -> None:
        """Note the products of a page as seen; what they prove is said later."""
        here = self.catalogue.here(query)
        for product in page.products:
            self.journal.put(
                "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                number,
                product.id,
                product.name,
                micros(product.start),
                micros(product.published),
                micros(product.modified),
                product.size,
                here is None or here.keeps(product),
            )

    async def _recalled(self, part: Slice, number: int) -> Sequence[Product]:
        """The products of a slice that is as it was; nothing where it has to be read."""
        known, left = await self.journal.ask(lambda db: known_of(db, number, self.wish))
        if known is None or known[0] < self.paging.page_size or len(left) * self.paging.page_size > known[0]:
            return ()
        newest = replace(part, query=replace(part.query, order_by="-modified", limit=1))
        page = await self.catalogue.page(newest, 0, count=True)
        if (page.total, *(micros(each.modified) for each in page.products)) != known:
            return ()
        full = {product.id: product for product in await self.looked_up(part.query, left)}
        rows = await self.journal.ask(lambda db: db.execute(_ROWS, (number,)).fetchall())
        if len(full) != len(left) or len(rows) != known[0]:
            return ()
        products = [full.get(row[0]) or product_of(row, part.query) for row in rows]
        return sorted(products, key=lambda product: (product.start or _FIRST, product.id))

    async def looked_up(self, query: Query, ids: Sequence[str]) -> list[Product]:
        """The products of any number of ids."""
        found: list[Product] = []
        for first in range(0, len(ids), AT_ONCE):
            some = ids[first : first + AT_ONCE]
            found += await looked_up(self.catalogue, query.provider, some, self.asking, collection=query.collection)
        return found


async def looked_up(
    catalogue: Catalogue, provider: str, ids: Sequence[str], asking: Asking, *, collection: str | None
) -> Sequence[Product]:
    """The products of some ids, in any order. Of a linked catalogue, ids may be those of one ``collection`` alone (STAC)."""
    within = collection if isinstance(catalogue.paging, LinkPaging) else None
    part = Slice(query=Query(provider=provider, collection=within, ids=tuple(ids)), interval=TimeInterval())
    page = await asking.answer(lambda: catalogue.page(part, 0, count=False), f"{len(ids)} products by id")
    return page.products


def recalled(product: Product) -> bool:
    """Whether only the journal was asked for ``product``."""
    return RECALLED in product.attributes


@dataclass(frozen=True, slots=True)
class Refreshing:
    """A line's craft that asks the catalogue for a recalled product once it has to be fetched after all."""

    craft: Craft
    catalogue: Catalogue
    asking: Asking

    async def present(self, product: Product) -> ProductResult | None:
        """See :class:`skyhaul.pipeline.Craft`."""
        return await self.craft.present(product)

    async def expand(self, product: Product) -> Job:
        """See :class:`skyhaul.pipeline.Craft`."""
        if recalled(product):
            found = await looked_up(
                self.catalogue, product.provider, [product.id], self.asking, collection=product.collection
            )
            if not found:
                raise ObjectMissing(f"{product.name}: the catalogue does not have it any more")
            product = found[0]
        return await self.craft.expand(product)

    async def carry_out(self, job: Job, obj: RemoteObject) -> Outcome:
        """See :class:`skyhaul.pipeline.Craft`."""
        return await self.craft.carry_out(job, obj)

    async def finish(self, job: Job) -> ProductResult:
        """See :class:`skyhaul.pipeline.Craft`."""
        return await self.craft.finish(job)


def _told(tell: Callable[[Product], bool | None], product: Product) -> bool | None:
    return recalled(product) or tell(product)


def _known(db: Any, *, number: int) -> bool:
    """Whether the slice of this number was read to its end."""
    return db.execute("SELECT 1 FROM parts WHERE id = ?", (number,)).fetchone() is not None


def known_of(db: Any, number: int, wish: str) -> tuple[tuple[int, int] | None, list[str]]:
    """What was proven of a slice: count and latest modification; and the ids of what is not verified of it."""
    row = db.execute("SELECT total, modified_us FROM parts WHERE id = ?", (number,)).fetchone()
    if row is None or row[1] is None:
        return None, []
    return row, [product for (product,) in db.execute(_LEFT, (number, wish))]


def number_of(part: Slice) -> int:
    """The same for the same slice of the same query in every run."""
    digest = blake2b(f"{part.query!r} {part.interval!r}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def product_of(row: Sequence[Any], query: Query) -> Product:
    """A recalled product."""
    product, name, start_us, published_us, modified_us, size, kept = row
    return Product(
        id=product,
        name=name,
        provider=query.provider,
        collection=query.collection,
        start=_moment(start_us),
        published=_moment(published_us),
        modified=_moment(modified_us),
        size=size,
        attributes={RECALLED: bool(kept)},
    )


def micros(moment: datetime | None) -> int | None:
    """A moment as the journal has it."""
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(us: int | None) -> datetime | None:
    return None if us is None else _EPOCH + timedelta(microseconds=us)
