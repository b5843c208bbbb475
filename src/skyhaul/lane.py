"""One of the processes of a run, started by :mod:`skyhaul.lanes`: products come in on stdin, results and events go out on stdout.

It ends, with everything noted that is on disk, when stdin is closed: by a run that has ended, or by one that was killed.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections import deque
from contextlib import suppress
from copy import copy
from itertools import takewhile
from math import inf

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from skyhaul import accounts
from skyhaul import journal as journals
from skyhaul.compose import composed
from skyhaul.errors import SkyhaulError
from skyhaul.events import Event, Meter
from skyhaul.journal import Journal
from skyhaul.lanes import Begin, Ended, Messages, packed
from skyhaul.model import Product, ProductResult
from skyhaul.pipeline import Stopped, unwrapped
from skyhaul.pull import crafted, lined, roomy
from skyhaul.sources import http

SAMPLE_S = 0.2
GATHER_S = 0.01
PIPE_BYTES = 1 << 16


class Said:
    """What a process says down ``fd``: events and results as they come, its meter a few times a second."""

    def __init__(self, fd: int) -> None:
        self.meter = Meter()
        self._fd = fd
        self._waiting: list[Event | ProductResult | Meter | Ended] = []
        self._news = anyio.Event()
        self._sampled_s = 0.0

    def put(self, message: Event | ProductResult | Ended) -> None:
        """Say something; never blocks."""
        self._waiting.append(message)
        self._news.set()

    def sample(self) -> None:
        """Say what the meter shows, with the requests that were sent since the last time."""
        now, since_s = time.monotonic(), self._sampled_s
        shown = copy(self.meter)
        shown.requests = deque(takewhile(lambda at_s: at_s > since_s, reversed(self.meter.requests)))
        self._sampled_s = now
        self._waiting.append(shown)

    async def keep(self, journal: Journal) -> None:
        """Send what is said, for as long as the line lasts."""
        while True:
            with anyio.move_on_after(SAMPLE_S):
                await self._news.wait()
            if time.monotonic() >= self._sampled_s + SAMPLE_S:
                self.sample()
            await self.send(journal)
            await anyio.sleep(GATHER_S)

    async def send(self, journal: Journal | None) -> None:
        """Send what was said. A result is in the journal before anybody hears of it."""
        self._news = anyio.Event()
        count = len(self._waiting)
        if journal is not None and any(isinstance(message, ProductResult) for message in self._waiting):
            await journal.flush()
        left = memoryview(b"".join(map(packed, self._waiting[:count])))
        del self._waiting[:count]
        with anyio.CancelScope(shield=True), suppress(BrokenPipeError):  # nobody is left to be told
            while left:
                await anyio.wait_writable(self._fd)
                left = left[os.write(self._fd, left) :]


async def work(said: Said) -> None:
    """Do what the first message says, with the products that follow."""
    messages = Messages(_received)
    begin = await anext(aiter(messages), None)
    if not isinstance(begin, Begin):
        return
    try:
        with unwrapped():
            await _carried_out(begin, messages, said)
    except Stopped as stop:
        said.put(Ended(kind=Stopped.__name__, error=str(stop), exit_code=stop.exit_code))
    except SkyhaulError as error:
        said.put(Ended(kind=type(error).__name__, error=str(error)))
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 the last resort: the run has to learn of it
        bug: BaseException = error
        while isinstance(bug, BaseExceptionGroup):
            bug = bug.exceptions[0]
        said.put(Ended(kind=type(bug).__name__, error=str(bug)))
    await said.send(None)


async def _carried_out(begin: Begin, messages: Messages, said: Said) -> None:
    settings, meter = begin.settings, said.meter
    download = settings.download
    if download is None:
        raise ValueError("a run has a destination")
    async with (
        http.opened(stall_s=settings.provider.stall_s) as plain,
        composed(settings, begin.credentials, plain, emit=said.put, meter=meter) as parts,
        journals.joined(download.into, -1) as journal,
    ):
        parts.allowance.grant(parts.allowance.connections, alone=False)
        craft = crafted(parts, download, journal, roomy(download, journal, said.put), said.put)
        line = lined(craft, parts, said.put)
        send, receive = anyio.create_memory_object_stream[Product](inf)
        try:
            async with (
                send,
                accounts.shared(begin.account, parts.allowance, meter, first=begin.streams),
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(line.run, receive)
                tasks.start_soon(parts.allowance.watch)
                tasks.start_soon(_until_told, tasks.cancel_scope)
                said.sample()
                tasks.start_soon(said.keep, journal)
                await handed_on(messages, send)
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                said.sample()
                await said.send(journal)


async def handed_on(messages: Messages, products: MemoryObjectSendStream[Product]) -> None:
    """Put the products that come on the line, until no more come or it has ended, of which it says itself why."""
    with suppress(anyio.BrokenResourceError):
        async for product in messages:
            if isinstance(product, Product):
                products.send_nowait(product)


async def _until_told(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


async def _received() -> bytes:
    """The next bytes from stdin.

    Raises:
        EndOfStream: it was closed.
    """
    await anyio.wait_readable(0)
    if not (found := os.read(0, PIPE_BYTES)):
        raise anyio.EndOfStream
    return found


def main() -> None:
    """Be one of the processes of a run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run is interrupted, and then tells us
    out_fd = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not get among the messages
    os.set_blocking(0, False)
    os.set_blocking(out_fd, False)
    gc.freeze()

    async def all_of_it() -> None:
        await work(Said(out_fd))

    anyio.run(all_of_it)


if __name__ == "__main__":
    main()
