"""What is archived is ordered, waited for, and sent back to the line: OFFLINE → STAGING → ONLINE. No worker is held meanwhile.

A product that turns out to be offline is put aside. It is ordered once the archive allows one more, asked after every ``wait_s``, and goes
through the line again when it is online. Orders are in the journal: the next run asks after them and does not order again. When nothing
has come online for ``patience_s``, or the run ends, products that are left are named.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from msgspec import structs

from skyhaul.errors import AccessDenied, ObjectOffline, RemoteError, SkyhaulError
from skyhaul.events import AttemptFailed, OrdersAwaited, ProductOrdered
from skyhaul.journal import Journal
from skyhaul.limits import Allowance
from skyhaul.model import Outcome, Product, ProductResult, RemoteObject
from skyhaul.pipeline import Craft, Job, failed
from skyhaul.protocols import Emit

WAIT_S = 120.0
PATIENCE_S = 1200.0
"""How often to look, and how long without anything coming online: what eodag's guide has."""

FORGOTTEN_S = 86_400.0
"""After so long an order is placed again: archives bring a product back within a day, and take it away again after some."""

TICK_S = 1.0

TABLE = """
CREATE TABLE IF NOT EXISTS orders (product TEXT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, at_s REAL NOT NULL) WITHOUT ROWID
"""


@runtime_checkable
class Stock(Protocol):
    """An archive from which products can be ordered. ``orders_at_once`` is how many may be under way for one account."""

    orders_at_once: ClassVar[int]

    async def order(self, product: Product) -> bool:
        """Have an archived product brought online; whether it is so already. Ordering again changes nothing.

        Raises:
            AccessDenied: as many are under way as may be, in the archive's words.
            RemoteError: the archive did not take the order.
        """
        ...

    async def online(self, product: Product) -> bool:
        """Whether it can be downloaded now.

        Raises:
            RemoteError: the archive did not say.
        """
        ...


@dataclass(slots=True, kw_only=True)
class Kept:
    """A product put aside. ``ordered_s`` is when, since the epoch; ``due_s`` when to look at it again, on the monotonic clock."""

    product: Product
    ordered_s: float | None = None
    due_s: float = 0.0


@dataclass(slots=True)
class Book:
    """The orders in the journal."""

    journal: Journal

    def note(self, product: Product, state: str) -> None:
        """An order reached a state."""
        self.journal.put(
            "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)", product.id, product.name, state, time.time()
        )

    async def placed(self) -> dict[str, float]:
        """When each product was ordered that is still on its way."""

        def ask(db: Any) -> list[tuple[str, float]]:
            found: list[tuple[str, float]] = db.execute(
                "SELECT product, at_s FROM orders WHERE state = 'staging'"
            ).fetchall()
            return found

        self.journal.put(TABLE)
        return dict(await self.journal.ask(ask))


@dataclass(slots=True, kw_only=True)
class Orders:
    """The products of one run that wait for their archive.

    ``settle`` is told of those that it will not have. ``check`` says, by raising, that the run has gone far enough.
    """

    stock: Stock
    book: Book
    allowance: Allowance
    emit: Emit
    settle: Callable[[ProductResult], None]
    check: Callable[[], None]
    wait_s: float = WAIT_S
    patience_s: float = PATIENCE_S
    _kept: dict[str, Kept] = field(default_factory=dict)
    _placed: dict[str, float] = field(default_factory=dict)
    _room: int = 0
    _under_way: int = 0
    _fed: bool = False
    _stop_s: float = 0.0
    _full_until_s: float = 0.0
    _told: tuple[int, int, float | None] = (0, 0, None)
    _news: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self._room = self.stock.orders_at_once

    # from the line

    def keep(self, product: Product) -> None:
        """Put a product aside that turned out to be offline."""
        self._kept[product.id] = Kept(product=product, ordered_s=self._placed.get(product.id))
        self._stop_s = max(self._stop_s, time.monotonic() + self.patience_s)
        self._tell(product, "offline")

    def keeps(self, product_id: str) -> bool:
        """Whether a product waits here."""
        return product_id in self._kept

    def settled(self, result: ProductResult) -> None:
        """A product has left the line, whatever became of it. One that was fetched renews the patience with all others."""
        self._under_way -= 1
        if result.state == "verified":
            self._stop_s = time.monotonic() + self.patience_s
        self._news.set()

    # beside the line

    async def run(self, products: MemoryObjectReceiveStream[Product], out: MemoryObjectSendStream[Product]) -> None:
        """Hand products on, and those that were put aside once they are online; until there are neither."""
        self._placed = await self.book.placed()
        async with products, out, anyio.create_task_group() as tasks:
            tasks.start_soon(self._feed, products, out)
            while self._kept or self._under_way or not self._fed:
                self._news = anyio.Event()
                await self._look(out)
                self._tell_awaited()
                if self._kept:
                    self.check()
                    with anyio.move_on_after(TICK_S):
                        await self._news.wait()
                elif self._under_way or not self._fed:
                    await self._news.wait()

    def give_up(self, why: str) -> None:
        """Name what is left: it is not to be had in this run."""
        for kept in list(self._kept.values()):
            since = (
                "not ordered yet"
                if kept.ordered_s is None
                else f"ordered {_ago(kept.ordered_s)} ago and not online yet"
            )
            self._let_go(kept, ObjectOffline(f"{kept.product.name} is {since} ({why}); run again to go on"))
        self._tell_awaited()

    async def _feed(self, products: MemoryObjectReceiveStream[Product], out: MemoryObjectSendStream[Product]) -> None:
        async for product in products:
            self._under_way += 1
            await out.send(product)
        self._fed = True
        self._news.set()

    async def _look(self, out: MemoryObjectSendStream[Product]) -> None:
        """Order what may be ordered, ask after what was."""
        for kept in [kept for kept in self._kept.values() if kept.due_s <= time.monotonic()]:
            if kept.ordered_s is None and not self._may_order():
                continue
            try:
                online = await self._forward(kept)
            except SkyhaulError as error:
                if error.fatal:
                    raise
                self._let_go(kept, error)
                continue
            if online:
                await self._release(kept, out)
        idle = self._fed and not self._under_way
        if self._kept and idle and time.monotonic() > self._stop_s:
            self.give_up(f"nothing came online for {self.patience_s / 60:g} minutes")

    async def _forward(self, kept: Kept) -> bool:
        """One step with a product; whether it is online."""
        kept.due_s = time.monotonic() + self.wait_s
        if kept.ordered_s is not None and await self._tried(kept, self._asked(kept)):
            return True
        if kept.ordered_s is None or time.time() - kept.ordered_s > FORGOTTEN_S:
            return await self._tried(kept, self._order(kept))
        return False

    async def _tried(self, kept: Kept, step: Awaitable[bool]) -> bool:
        """The step's answer; an archive that is busy or gone is asked again at the next look."""
        try:
            return await step
        except RemoteError as error:
            if not error.transient:
                raise
            told = AttemptFailed(
                host=kept.product.provider, what=f"order of {kept.product.name}", kind=error.kind, error=str(error),
                wait_s=self.wait_s,
            )  # fmt: skip
            self.emit(told)
            return False

    async def _asked(self, kept: Kept) -> bool:
        await self.allowance.request()
        return await self.stock.online(kept.product)

    async def _order(self, kept: Kept) -> bool:
        try:
            async with self.allowance.stream():
                online = await self.stock.order(kept.product)
        except AccessDenied as error:
            if not _full(error):
                raise
            # The archive counts otherwise than we do, or others order too: what it takes now is what it takes.
            self._full_until_s = time.monotonic() + self.wait_s
            return False
        if not online:
            kept.ordered_s = self._placed[kept.product.id] = time.time()
            self.book.note(kept.product, "staging")
            self._tell(kept.product, "staging")
        return online

    def _may_order(self) -> bool:
        under_way = sum(kept.ordered_s is not None for kept in self._kept.values())
        return under_way < self._room and time.monotonic() >= self._full_until_s

    async def _release(self, kept: Kept, out: MemoryObjectSendStream[Product]) -> None:
        product = kept.product
        del self._kept[product.id]
        self._placed.pop(product.id, None)
        self._full_until_s = time.monotonic()
        self._stop_s = self._full_until_s + self.patience_s
        self.book.note(product, "online")
        self._tell(product, "online")
        self._under_way += 1
        await out.send(structs.replace(product, online=True))

    def _let_go(self, kept: Kept, error: SkyhaulError) -> None:
        del self._kept[kept.product.id]
        self.settle(failed(kept.product, error))

    def _tell_awaited(self) -> None:
        """Tell how many wait, and until when, where that is something new."""
        now_s = time.monotonic()
        staging = sum(kept.ordered_s is not None for kept in self._kept.values())
        look_s = min((kept.due_s for kept in self._kept.values() if kept.due_s > now_s), default=None)
        if self._told != (told := (staging, len(self._kept) - staging, look_s)):
            self._told = told
            at_s = None if look_s is None else time.time() + look_s - now_s
            self.emit(OrdersAwaited(staging=told[0], waiting=told[1], look_s=at_s))

    def _tell(self, product: Product, state: Any) -> None:
        self.emit(ProductOrdered(product=product.id, name=product.name, state=state))


@dataclass(frozen=True, slots=True)
class Ordering:
    """The craft of a line whose archive takes orders: what is offline is put aside instead of failing."""

    craft: Craft
    orders: Orders

    async def present(self, product: Product) -> ProductResult | None:
        """See :class:`skyhaul.pipeline.Craft`."""
        return await self.craft.present(product)

    async def expand(self, product: Product) -> Job:
        """See :class:`skyhaul.pipeline.Craft`."""
        try:
            return await self.craft.expand(product)
        except ObjectOffline:
            self.orders.keep(product)
            raise

    async def carry_out(self, job: Job, obj: RemoteObject) -> Outcome:
        """See :class:`skyhaul.pipeline.Craft`."""
        return await self.craft.carry_out(job, obj)

    async def finish(self, job: Job) -> ProductResult:
        """See :class:`skyhaul.pipeline.Craft`. Some archives say only of the download that a product is offline."""
        result = await self.craft.finish(job)
        if result.state == "failed" and result.kind == ObjectOffline.__name__:
            self.orders.keep(job.product)
            return replace(result, state="offline")
        return result


def _full(error: AccessDenied) -> bool:
    """Whether an archive refuses one order more, rather than this account."""
    said = str(error).lower()
    return "quota" in said or "too many" in said


def _ago(since_s: float) -> str:
    minutes = max(0, round((time.time() - since_s) / 60))
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"  # noqa: PLR2004 two hours
