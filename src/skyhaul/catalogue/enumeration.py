"""Slices read one way or another → a stream of unique products, and a proof that none is missing.

What paging by number and following links have in common: slices read several at once and split where they are too large, products handed
on as pages arrive, a receiver that is the brake, slices that are named when they cannot be proven complete. Memory does not grow with the
result.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter

from anyio import CapacityLimiter, Lock, WouldBlock, create_task_group
from anyio.streams.memory import MemoryObjectSendStream

from skyhaul.catalogue.asking import Asking
from skyhaul.catalogue.here import restricting
from skyhaul.catalogue.versions import latest_versions
from skyhaul.errors import AccessDenied, CatalogueError, RemoteError, SettingsError, SkyhaulError
from skyhaul.events import PageRead, ProductFound, SliceFailed, SlicePlanned
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import Catalogue, Page, Slice

ROUNDS = 8
"""How often a slice is read until it is proven complete."""

WIDE = frozenset({"collection", "product_types", "sensing", "published"})
"""Who restricts a query by nothing else finds more than a slice holds: it will be cut."""

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


@dataclass(slots=True)
class Haul:
    """What a slice has given so far, over all readings. ``kept`` waits to be put in order."""

    ids: set[str] = field(default_factory=set)
    kept: list[Product] = field(default_factory=list)


class Enumeration(ABC):
    """One enumeration under way. How a slice is read until it is proven complete is :meth:`settle`."""

    def __init__(
        self, catalogue: Catalogue, query: Query, asking: Asking, out: MemoryObjectSendStream[Product], *, ordered: bool
    ) -> None:
        paging, here = catalogue.paging, catalogue.here(query)
        self.source, self.asking, self.out = catalogue, asking, out
        self.check = here.keeps if here else None
        self.untold = dict(here.tells) if here else {}
        self.missed: set[str] = set()
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
        # The catalogue limits what is in flight; twice as much may be waiting for its turn or for the receiver.
        self.places = CapacityLimiter(2 * paging.concurrency)
        self.slices = CapacityLimiter(2 * paging.concurrency)
        self.reach: TimeInterval | None = None
        self.surveying = Lock()
        self.proven = 0
        self.sent = 0
        self.incomplete: list[Incomplete] = []

    @abstractmethod
    async def settle(self, part: Slice, haul: Haul) -> tuple[Slice, ...]:
        """Read ``part`` until it is proven complete; the parts to read instead where it is too large."""

    def proved(self) -> Completeness:
        """What the enumeration proved, once it has ended.

        Raises:
            SettingsError: no product told what the query compares: that nothing was found says nothing.
        """
        if name := next((each for each in self.untold if each in self.missed), None):
            raise SettingsError(
                f"{self.query.provider} can neither be asked for {name}, nor do its products tell it: leave it out"
            )
        return Completeness(slices=self.proven, products=self.sent, incomplete=tuple(self.incomplete))

    async def read(self, part: Slice, seen: frozenset[str] = frozenset(), replaces: str | None = None) -> None:
        """Read ``part``, by itself or in parts; ``seen`` holds ids that were sent before it was split off."""
        if self.room == 0:
            return
        self.asking.emit(SlicePlanned(slice=part.name, replaces=replaces))
        haul = Haul()
        try:
            async with self.slices:
                haul.ids |= seen  # once its turn has come: many slices may be waiting
                parts = await self.settle(part, haul)
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

    async def page(self, part: Slice, ask: Callable[[], Awaitable[Page]], what: str, haul: Haul) -> Page:
        """One page, its products handed on. The place is held until the receiver has them all, which is the brake."""

        async def timed() -> Page:
            started_s = time.monotonic()
            page = await ask()
            seconds = time.monotonic() - started_s
            self.asking.emit(PageRead(slice=part.name, products=len(page.products), seconds=seconds, total=page.total))
            return page

        async with self.places:
            page = await self.asking.answer(timed, what)
            fresh = self.fresh(page, part, haul)
            self._listen(fresh)
            matching = fresh if self.check is None else list(filter(self.check, fresh))
            if self.ordered:
                haul.kept += matching
            else:
                await self._send(matching)
        return page

    def _listen(self, products: Sequence[Product]) -> None:
        """Note what the products tell, and what is missed."""
        for product in products if self.untold else ():
            said = {name: tells(product) for name, tells in self.untold.items()}
            self.untold = {name: tells for name, tells in self.untold.items() if not said[name]}
            self.missed.update(name for name, each in said.items() if each is False)

    def fresh(self, page: Page, part: Slice, haul: Haul) -> list[Product]:  # noqa: ARG002 where links are followed, the slice counts
        """The products of a page that were not there before."""
        fresh = {product.id: product for product in page.products if product.id not in haul.ids}
        haul.ids.update(fresh)
        return list(fresh.values())

    async def extent(self, part: Slice) -> TimeInterval | None:
        """Where the products of ``part`` begin; its own ends where it has any."""
        own = part.interval
        if own.start is not None and own.end is not None:
            return own
        async with self.surveying:  # whoever comes second waits for what the first one asked
            if self.reach is None:
                ask = partial(self.source.extent, self.query)
                self.reach = await self.asking.answer(ask, f"extent of {self.query.sensing}")
        found = self.reach
        return found and replace(found, start=own.start or found.start, end=own.end or found.end)

    async def survey(self) -> None:
        """Ask where the products are while the first of them are read. What fails is asked again by whoever needs it."""
        if self.query.order_by.removeprefix("-") != "start" or self.room is not None:
            return
        if set(restricting(self.query)) <= WIDE:
            with suppress(RemoteError, CatalogueError):
                await self.extent(Slice(query=self.query, interval=self.query.sensing))

    async def _deliver(self, haul: Haul) -> None:
        """Send what was kept to be put in order, up to the limit."""
        order_by = self.query.order_by
        moment = attrgetter(order_by.removeprefix("-"))
        haul.kept.sort(key=lambda product: (moment(product) or _LAST, product.id), reverse=order_by.startswith("-"))
        await self._send(latest_versions(haul.kept) if self.latest else haul.kept)

    async def _send(self, products: list[Product]) -> None:
        emit, send_nowait = self.asking.emit, self.out.send_nowait
        for product in products[: self.room]:
            emit(ProductFound(product=product.id, name=product.name, size=product.size))
            try:
                send_nowait(product)  # a tenth of what waiting for one's turn costs
            except WouldBlock:
                await self.out.send(product)
        self.sent += len(products[: self.room])
        self.room = self.room and max(0, self.room - len(products))

    def _fail(self, part: Slice, error: SkyhaulError) -> None:
        self.asking.emit(SliceFailed(slice=part.name, error=str(error)))
        self.incomplete.append(Incomplete.by(part.name, error))
