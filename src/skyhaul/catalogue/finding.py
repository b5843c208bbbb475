"""A query of any size → a stream of unique products, by whatever way the catalogue can be asked for it completely.

Lists of names or ids are looked up. What is too long for one request, and rules that have to be compared with products one by one, are read
as several queries side by side, each with a proof of its own; a product that several of them find is sent once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from anyio import BrokenResourceError, CapacityLimiter, EndOfStream, create_memory_object_stream, create_task_group
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from msgspec import structs

from skyhaul.catalogue import odata
from skyhaul.catalogue.asking import Asking
from skyhaul.catalogue.enumeration import Completeness
from skyhaul.catalogue.here import restricting
from skyhaul.catalogue.lookup import find_ids, find_named
from skyhaul.catalogue.paging import enumerate_products
from skyhaul.catalogue.rules import shares
from skyhaul.catalogue.versions import latest_versions
from skyhaul.errors import SettingsError
from skyhaul.events import Event, NotFound, PageRead, ProductFound, SliceFailed, SliceFinished, SlicePlanned
from skyhaul.model import Product, Query
from skyhaul.protocols import Catalogue, Emit
from skyhaul.retry import RetryPolicy

QUEUED = 1000
"""Products that wait between a query and those beside it: a page."""

_LAST = datetime.max.replace(tzinfo=UTC)


async def find_products(
    catalogue: Catalogue,
    query: Query,
    *,
    retry: RetryPolicy,
    emit: Emit,
    out: MemoryObjectSendStream[Product],
    ordered: bool = False,
) -> Completeness:
    """Send every product that ``query`` finds into ``out``, once, and close it; see :func:`enumerate_products`."""
    parts = shared_out(catalogue, query)
    async with out:
        if looked_up(query):
            return await _looked_up(catalogue, query, Asking(host=query.provider, retry=retry, emit=emit), out.clone())
        if len(parts) == 1:
            return await enumerate_products(
                catalogue, parts[0], retry=retry, emit=emit, out=out.clone(), ordered=ordered
            )
        union = _Union(catalogue, query, retry=retry, emit=emit, out=out)
        in_order = ordered or query.latest_version or query.limit is not None
        return await union.read(parts, ordered=in_order)


def countable(catalogue: Catalogue, query: Query) -> bool:
    """Whether the catalogue's own count of ``query`` is how many products it finds."""
    return not looked_up(query) and len(shared_out(catalogue, query)) == 1


def looked_up(query: Query) -> bool:
    """Whether ``query`` is a list of exact names or of ids and nothing else."""
    if query.limit is not None or query.latest_version or query.order_by != "start":
        return False
    match restricting(query):
        case ["names"]:
            return not any("*" in name for name in query.names)
        case ["ids"]:
            return True
        case _:
            return False


def shared_out(catalogue: Catalogue, query: Query) -> tuple[Query, ...]:
    """``query`` as queries that can each be asked in one request and together find what it finds."""

    def apart(rule: Query) -> bool:
        here = catalogue.here(replace(query, rules=(rule,)))
        return here is not None and "rules" in here.fields

    return shares(query, fits=_fits, apart=apart)


def _fits(query: Query) -> bool:
    try:
        return odata.length(query) <= odata.URL_MAX
    except SettingsError:
        return True  # for the archive to say


async def _looked_up(
    catalogue: Catalogue, query: Query, asking: Asking, out: MemoryObjectSendStream[Product]
) -> Completeness:
    if query.names:
        found = await find_named(catalogue, query.names, asking=asking, out=out)
    else:
        found = await find_ids(catalogue, query.ids, asking=asking, out=out)
    if found.missing:
        asking.emit(NotFound(names=found.missing))
    return found


@dataclass(slots=True)
class _Union:
    """Queries read side by side."""

    catalogue: Catalogue
    query: Query
    retry: RetryPolicy = field(kw_only=True)
    emit: Emit = field(kw_only=True)
    out: MemoryObjectSendStream[Product] = field(kw_only=True)
    sent: int = 0
    completeness: Completeness = field(default_factory=Completeness)

    async def read(self, parts: Sequence[Query], *, ordered: bool) -> Completeness:
        """Read ``parts``, and send what they find; in the order of the query with ``ordered``."""
        # Versions of one acquisition may be found by different parts: the limit is for what is left of all.
        limit = None if self.query.latest_version else self.query.limit
        parts = [replace(part, limit=limit) for part in parts]
        try:
            await (self._merged(parts) if ordered else self._mixed(parts))
        except* BrokenResourceError:
            pass  # the receiver has had enough
        return replace(self.completeness, products=self.sent)

    async def _mixed(self, parts: Sequence[Query]) -> None:
        places, seen = CapacityLimiter(self.catalogue.paging.concurrency), set[str]()

        async def one(part: Query, label: str) -> None:
            async with places, create_task_group() as tasks:
                send, receive = create_memory_object_stream[Product](QUEUED)
                tasks.start_soon(self._enumerate, part, label, send, False)
                async with receive:
                    async for product in receive:
                        if product.id not in seen:
                            seen.add(product.id)
                            await self._send(product)

        async with create_task_group() as tasks:
            for number, part in enumerate(parts, start=1):
                tasks.start_soon(one, part, f"part {number} of {len(parts)}")

    async def _merged(self, parts: Sequence[Query]) -> None:
        async with AsyncExitStack() as ends, create_task_group() as tasks:
            receivers = []
            for number, part in enumerate(parts, start=1):
                send, receive = create_memory_object_stream[Product](QUEUED)
                tasks.start_soon(self._enumerate, part, f"part {number} of {len(parts)}", send, True)
                receivers.append(await ends.enter_async_context(receive))
            products = await ends.enter_async_context(aclosing(_in_order(receivers, self.query.order_by)))
            if self.query.latest_version:
                products = await ends.enter_async_context(aclosing(_latest(products, self.query.order_by)))
            async for product in products:
                await self._send(product)
                if self.sent == self.query.limit:
                    tasks.cancel_scope.cancel()

    async def _enumerate(self, part: Query, label: str, out: MemoryObjectSendStream[Product], ordered: bool) -> None:  # noqa: FBT001 started as a task
        found = await enumerate_products(
            self.catalogue, part, retry=self.retry, emit=_labelled(self.emit, label), out=out, ordered=ordered
        )
        named = tuple(replace(each, slice=f"{label}: {each.slice}") for each in found.incomplete)
        self.completeness = self.completeness.joined(replace(found, incomplete=named))

    async def _send(self, product: Product) -> None:
        self.emit(ProductFound(product=product.id, name=product.name, size=product.size))
        await self.out.send(product)
        self.sent += 1


def _labelled(emit: Emit, label: str) -> Emit:
    """Tells of slices under a name of their own, and leaves it to others to tell of products, which may come more than once."""

    def tell(event: Event) -> None:
        match event:
            case ProductFound():
                return
            case SlicePlanned():
                replaces = event.replaces and f"{label}: {event.replaces}"
                emit(structs.replace(event, slice=f"{label}: {event.slice}", replaces=replaces))
            case PageRead() | SliceFinished() | SliceFailed():
                emit(structs.replace(event, slice=f"{label}: {event.slice}"))
            case _:
                emit(event)

    return tell


async def _in_order(
    receivers: Sequence[MemoryObjectReceiveStream[Product]], order_by: str
) -> AsyncGenerator[Product, None]:
    """The products of streams that are each in order, in order, each product once."""
    rank = _rank(order_by)
    choose: Callable[..., int] = max if order_by.startswith("-") else min
    heads: dict[int, Product] = {}

    async def draw(number: int) -> None:
        try:
            heads[number] = await receivers[number].receive()
        except EndOfStream:
            heads.pop(number, None)

    for number in range(len(receivers)):
        await draw(number)
    last = ""
    while heads:
        number = choose(heads, key=lambda each: rank(heads[each]))
        product = heads[number]
        if product.id != last:
            last = product.id
            yield product
        await draw(number)


async def _latest(products: AsyncIterator[Product], order_by: str) -> AsyncGenerator[Product, None]:
    """Of each acquisition the latest version: products that begin in one second are compared, or all where they come in another order."""
    group: list[Product] = []
    by_start = order_by.removeprefix("-") == "start"
    async for product in products:
        if group and by_start and _second(group[0]) != _second(product):
            for each in latest_versions(group):
                yield each
            group.clear()
        group.append(product)
    for each in latest_versions(group):
        yield each


def _rank(order_by: str) -> Callable[[Product], tuple[Any, str]]:
    moment = attrgetter(order_by.removeprefix("-"))
    return lambda product: (moment(product) or _LAST, product.id)


def _second(product: Product) -> datetime | None:
    return product.start and product.start.replace(microsecond=0)
