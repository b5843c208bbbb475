"""Room on the destination: waited for when it is gone, so that a disk that is full on a Saturday costs minutes and not the run."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import anyio
from anyio import to_thread

from skyhaul.errors import DiskFull
from skyhaul.events import DiskPaused, DiskResumed
from skyhaul.protocols import Emit
from skyhaul.transfer.sink import free_bytes

T = TypeVar("T")

LOOK_S = 2.0
SPARE_BYTES = 64 << 20
"""More than this must be free before anything goes on: a few batches would be gone at once."""


class Space:
    """The disk under ``folder``. A run that finds it full waits for ``patience_s`` seconds, all of it together."""

    def __init__(self, folder: Path, *, patience_s: float, emit: Emit) -> None:
        self._folder = folder
        self._patience_s = patience_s
        self._emit = emit
        self._lock = anyio.Lock()
        self._returned_s = float("-inf")
        self._since_s = float("-inf")

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

    async def check(self, needed_bytes: int) -> None:
        """Wait until ``needed_bytes`` are free.

        Raises:
            DiskFull: patience ended.
        """

        async def look() -> None:
            free = await to_thread.run_sync(free_bytes, self._folder)
            if free < needed_bytes:
                raise DiskFull(f"{self._folder}: {needed_bytes} bytes are needed for the next product, {free} are free")

        await self.insist(look, needed_bytes)

    async def _wait(self, error: DiskFull, needed_bytes: int) -> None:
        now = time.monotonic()
        if now - self._returned_s > self._patience_s:
            self._since_s = now  # else it is the same trouble: a quota, say, under which space seems to be free
        give_up_s = self._since_s + self._patience_s
        free = await to_thread.run_sync(free_bytes, self._folder)
        if now < give_up_s:
            self._emit(DiskPaused(free_bytes=free, needed_bytes=needed_bytes))
        while True:
            if time.monotonic() >= give_up_s:
                raise error
            await anyio.sleep(min(LOOK_S, self._patience_s))
            if await to_thread.run_sync(free_bytes, self._folder) >= needed_bytes:
                break
        self._returned_s = time.monotonic()
        self._emit(DiskResumed())
