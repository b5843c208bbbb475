"""Streams and task groups: products in, objects through the workers, verified products out. The only module that starts stages.

```
products ─▶ expanders ─▶ lane[route] ─▶ workers ─▶ finishers ─▶ results
```

Ends travel by closing streams, a full lane is the brake, no byte ever sits in a queue. At most ``products_at_once`` products are
between expansion and publication, so the disk holds no more unfinished ones than that.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from skyhaul.errors import ObjectOffline, SkyhaulError
from skyhaul.model import Failed, Outcome, Product, ProductResult, RemoteObject, Route, Verified

EXPANDERS = 6
FINISHERS = 4
LANE_OBJECTS = 64
LAST_PRODUCTS = 64
"""Of the last so many products the largest come first: else one of them runs alone in the end, on one stream of several."""


@dataclass(slots=True, kw_only=True)
class Job:
    """One product on the line: its objects, where it goes below the destination, what has become of them so far.

    ``fresh`` if nothing of it was on disk. ``ended`` once nothing more is to be fetched of it: all its objects have an outcome, or one
    failed in a way that ends the run.
    """

    product: Product
    path: PurePosixPath
    objects: Sequence[RemoteObject]
    outcomes: list[Outcome] = field(default_factory=list)
    started_s: float = field(default_factory=time.monotonic)
    fresh: bool = False
    ended: bool = False

    @property
    def left(self) -> Sequence[RemoteObject]:
        """Objects that have not come to an outcome."""
        settled = {outcome.path for outcome in self.outcomes}
        return [obj for obj in self.objects if obj.path not in settled]

    @property
    def failures(self) -> list[Failed]:
        """Objects that could not be had."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Failed)]

    @property
    def verified(self) -> list[Verified]:
        """Objects that are on disk."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Verified)]


@dataclass(frozen=True, slots=True)
class Item:
    """One object on a lane."""

    job: Job
    obj: RemoteObject


class Craft(Protocol):
    """What the line does with a product. Expected failures are raised as :class:`SkyhaulError`, except by ``carry_out``."""

    async def present(self, product: Product) -> ProductResult | None:
        """The result of an earlier run, if it still holds."""
        ...

    async def expand(self, product: Product) -> Job:
        """Turn a product into objects."""
        ...

    async def carry_out(self, job: Job, obj: RemoteObject) -> Outcome:
        """Bring one object to disk."""
        ...

    async def finish(self, job: Job) -> ProductResult:
        """Publish a product whose objects all have an outcome."""
        ...


class Stopped(Exception):
    """The line was ended on purpose before its products were: by a fatal error, or because the user said how far to go."""

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class Line:
    """One run of the line. ``settle`` is told each result, and may raise :class:`Stopped`."""

    def __init__(
        self,
        craft: Craft,
        *,
        workers: Mapping[Route, int],
        products_at_once: int,
        settle: Callable[[ProductResult], None],
    ) -> None:
        self._craft = craft
        self._workers = workers
        self._room = anyio.Semaphore(products_at_once)
        self._settle = settle

    async def run(self, products: MemoryObjectReceiveStream[Product]) -> None:
        """Carry out every product that comes, until the stream ends.

        Raises:
            SkyhaulError: what is fatal and was met before a product had objects; alone or in a group.
            Stopped: what is fatal and was met later, or what the user asked for; alone or in a group.
        """
        ready_in, ready_out = anyio.create_memory_object_stream[Job](LANE_OBJECTS)
        lanes_in: dict[Route, MemoryObjectSendStream[Item]] = {}
        async with AsyncExitStack() as ends, anyio.create_task_group() as tasks:
            await ends.enter_async_context(ready_in)
            for route, workers in self._workers.items():
                lane_in, lane_out = anyio.create_memory_object_stream[Item](LANE_OBJECTS)
                lanes_in[route] = await ends.enter_async_context(lane_in)
                for _ in range(workers):
                    tasks.start_soon(self._work, lane_out.clone(), ready_in.clone())
                lane_out.close()
            turns = _Turns(products)
            for _ in range(EXPANDERS):
                lanes = {route: lane.clone() for route, lane in lanes_in.items()}
                tasks.start_soon(self._expand, turns.clone(), lanes, ready_in.clone())
            for _ in range(FINISHERS):
                tasks.start_soon(self._finish, ready_out.clone())
            products.close()
            ready_out.close()
            await ends.aclose()

    async def _expand(
        self,
        products: _Turns,
        lanes: Mapping[Route, MemoryObjectSendStream[Item]],
        ready: MemoryObjectSendStream[Job],
    ) -> None:
        async with AsyncExitStack() as ends:
            for end in (products.incoming, ready, *lanes.values()):
                await ends.enter_async_context(end)
            async for product in products:
                try:
                    there = await self._craft.present(product)
                    if there is not None:
                        self._settle(there)
                        continue
                    job = await self._admitted(product)
                except SkyhaulError as error:
                    if error.fatal:
                        raise  # not this product's failure
                    self._settle(failed(product, error))
                    continue
                left = job.left
                if not left:
                    await ready.send(job)
                for obj in left:
                    await lanes[obj.route].send(Item(job, obj))

    async def _admitted(self, product: Product) -> Job:
        """Expand a product once there is room for one more on the disk; one that cannot be expanded gives its room back."""
        await self._room.acquire()
        try:
            return await self._craft.expand(product)
        except SkyhaulError:
            self._room.release()
            raise

    async def _work(self, lane: MemoryObjectReceiveStream[Item], ready: MemoryObjectSendStream[Job]) -> None:
        async with lane, ready:
            async for item in lane:
                outcome = await self._craft.carry_out(item.job, item.obj)
                item.job.outcomes.append(outcome)
                fatal = isinstance(outcome, Failed) and outcome.fatal
                if (fatal or len(item.job.outcomes) == len(item.job.objects)) and not item.job.ended:
                    item.job.ended = True
                    await ready.send(item.job)

    async def _finish(self, ready: MemoryObjectReceiveStream[Job]) -> None:
        async with ready:
            async for job in ready:
                fatal = next((failure for failure in job.failures if failure.fatal), None)
                try:
                    result = await self._craft.finish(job)
                except SkyhaulError as error:
                    self._end(failed(job.product, error), error.exit_code if error.fatal else None)
                else:
                    self._end(result, fatal.exit_code if fatal else None)
                self._room.release()

    def _end(self, result: ProductResult, fatal_exit_code: int | None) -> None:
        self._settle(result)
        if fatal_exit_code is not None:
            raise Stopped(result.error or "stopped", fatal_exit_code)


class _Turns:
    """Products in the order in which they come, the last ones in the order of their sizes: shared by all clones."""

    def __init__(self, incoming: MemoryObjectReceiveStream[Product], waiting: list[Product] | None = None) -> None:
        self.incoming = incoming
        self._waiting: list[Product] = [] if waiting is None else waiting

    def clone(self) -> _Turns:
        return _Turns(self.incoming.clone(), self._waiting)

    async def __aiter__(self) -> AsyncIterator[Product]:
        while True:
            last = False
            try:
                while len(self._waiting) <= LAST_PRODUCTS:
                    self._waiting.append(self.incoming.receive_nowait())
            except anyio.WouldBlock:
                pass
            except anyio.EndOfStream:
                last = True
            if self._waiting:
                # The first of several that are equal: max() keeps their order.
                product = max(self._waiting, key=lambda each: each.size or 0) if last else self._waiting[0]
                self._waiting.remove(product)
                yield product
            elif last:
                return
            else:
                with suppress(anyio.EndOfStream):
                    self._waiting.append(await self.incoming.receive())


def failed(product: Product, error: SkyhaulError) -> ProductResult:
    """What becomes of a product that could not be had."""
    offline = isinstance(error, ObjectOffline)
    return ProductResult(
        id=product.id, name=product.name, state="offline" if offline else "failed", kind=error.kind, error=str(error)
    )


@contextmanager
def unwrapped() -> Iterator[None]:
    """Let an expected failure out of the task groups it went through, as itself. A bug among them is let through as it is."""
    try:
        yield
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        if all(isinstance(leaf, SkyhaulError | Stopped) for leaf in leaves):
            raise leaves[0] from None
        raise


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
