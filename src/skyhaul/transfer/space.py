"""Room on the destination: waited for when it is gone, so that a disk that is full on a Saturday costs minutes and not the run."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import anyio

from skyhaul.errors import DiskFull
from skyhaul.events import DiskPaused, DiskResumed
from skyhaul.hands import Hands
from skyhaul.journal import KnownFile
from skyhaul.model import RemoteObject
from skyhaul.protocols import Emit
from skyhaul.transfer.sink import free_bytes

T = TypeVar("T")

LOOK_S = 2.0
SPARE_BYTES = 64 << 20
"""More than this must be free before anything goes on: a few batches would be gone at once."""


def room_bytes(objects: Sequence[RemoteObject], size: int | None, known: Iterable[KnownFile], *, extract: bool) -> int:
    """What a product of ``size`` bytes will still take of the disk until it is published. A zip lies beside its files for a while."""
    sizes = [obj.size for obj in objects]
    whole = size or 0 if None in sizes else sum(size or 0 for size in sizes)
    unpacked = extract and objects[0].archive and objects[0].path.endswith(".zip")
    there = sum((file.size or 0) if file.level else sum(map(len, file.spans)) for file in known)
    return max(0, (2 * whole if unpacked else whole) - there)


class Space:
    """The disk under ``folder``. A run that finds it full waits for ``patience_s`` seconds, all of it together."""

    def __init__(self, folder: Path, *, patience_s: float, emit: Emit) -> None:
        self._folder = folder
        self._patience_s = patience_s
        self._emit = emit
        self._lock = anyio.Lock()
        self._returned_s = float("-inf")
        self._since_s = float("-inf")
        self._reserved: dict[str, int] = {}
        self._released = anyio.Event()
        self._hands = Hands(1)

    async def insist(self, work: Callable[[], Awaitable[T]], needed_bytes: int = 0) -> T:
        """The result of ``work``, which is done again whenever the disk was full and ``needed_bytes`` are free again.

        Raises:
            DiskFull: patience ended.
        """
        while True:
            try:
                return await work()
            except DiskFull as error:
                met_s = time.monotonic()
                async with self._lock:
                    if self._returned_s < met_s:
                        await self._wait(error, needed_bytes + SPARE_BYTES)

    async def reserve(self, product: str, needed_bytes: int) -> None:
        """Wait until ``needed_bytes`` are free beside what other products have reserved. They are the product's until :meth:`release`.

        What others have written of theirs counts twice for that long: where room is scarce, products come one after another and whole.

        Raises:
            DiskFull: there is too little although nobody else has reserved any, and patience ended.
        """
        free = await self._free()
        while self._reserved and free < needed_bytes + sum(self._reserved.values()):
            await self._released.wait()
            free = await self._free()
        self._reserved[product] = needed_bytes
        if free >= needed_bytes:
            return

        async def look() -> None:
            free = await self._free()
            if free < needed_bytes:
                raise DiskFull(f"{self._folder}: {needed_bytes} bytes are needed for the next product, {free} are free")

        try:
            await self.insist(look, needed_bytes)
        except BaseException:
            self.release(product)
            raise

    def release(self, product: str) -> None:
        """The product is whole, or has failed."""
        self._reserved.pop(product, None)
        self._released.set()
        self._released = anyio.Event()

    async def _free(self) -> int:
        return await self._hands.do(free_bytes, self._folder)

    async def _wait(self, error: DiskFull, needed_bytes: int) -> None:
        now = time.monotonic()
        if now - self._returned_s > self._patience_s:
            self._since_s = now  # else it is the same trouble: a quota, say, under which space seems to be free
        give_up_s = self._since_s + self._patience_s
        free = await self._free()
        if now < give_up_s:
            self._emit(DiskPaused(free_bytes=free, needed_bytes=needed_bytes))
        while True:
            if time.monotonic() >= give_up_s:
                raise error
            await anyio.sleep(min(LOOK_S, self._patience_s))
            if await self._free() >= needed_bytes:
                break
        self._returned_s = time.monotonic()
        self._emit(DiskResumed())
