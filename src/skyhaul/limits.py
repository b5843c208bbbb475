"""What an archive allows: open streams, requests a minute, bytes a second, and how long it wants to be left alone.

One :class:`Allowance` belongs to one account and is shared by all that spends it, whatever the protocol: CDSE counts S3, OData
and STAC downloads together. Clocks are monotonic.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import anyio

from skyhaul.errors import HostBusy
from skyhaul.events import Meter

Cooled = Callable[[float, str], None]
"""Told when the account is left alone: for how many seconds, and why."""

WINDOW_S = 61.0
"""A minute and what a request may spend on its way, so that no minute of the server's ever sees more than the limit."""

TICK_S = 0.001
REST_MAX_S = 10.0
COOL_FIRST_S = 0.5
COOL_MAX_S = 60.0


class Allowance:
    """Streams and requests of one account.

    A refusal cools the whole account down: all that waits, waits at least so long. A refusal while no more than the allowed streams
    are open means that the server releases them late (CDSE does): from then on a stream rests before it is used again.
    """

    def __init__(
        self,
        *,
        connections: int,
        meter: Meter,
        requests_per_minute: int | None = None,
        max_bytes_per_s: int | None = None,
        cooled: Cooled | None = None,
    ) -> None:
        self.connections = connections
        self.requests_per_minute = requests_per_minute
        self.rest_s = 0.0
        self._meter = meter
        self._cooled = cooled
        self._free = anyio.Semaphore(connections)
        self._released: deque[float] = deque([float("-inf")] * connections)
        self._requests = meter.requests  # monotonic seconds, oldest first
        self._quiet_until = 0.0
        self._cool_s = COOL_FIRST_S
        self._max_bytes_per_s = max_bytes_per_s
        self._bytes_due = 0.0

    @property
    def idle(self) -> int:
        """How many streams nobody uses."""
        return self.connections - self._meter.streams

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[None]:
        """Hold one of the account's streams: from before the request until after the last byte."""
        self._meter.streams_wanted += 1
        try:
            await self._free.acquire()
        finally:
            self._meter.streams_wanted -= 1
        released_at = self._released.popleft()
        self._meter.streams += 1
        try:
            await anyio.sleep(max(0.0, released_at + self.rest_s - time.monotonic()))
            await self.request()
            began_s = time.monotonic()
            try:
                yield
            except HostBusy as error:
                self._learn(error, began_s - released_at)
                raise
        finally:
            self._meter.streams -= 1
            self._released.append(time.monotonic())
            self._free.release()

    async def request(self) -> None:
        """Wait until one more request may be sent, and count it."""
        while (wait_s := self._wait_s(time.monotonic())) > 0:  # noqa: ASYNC110 the end moves while we wait
            await anyio.sleep(wait_s)
        self._requests.append(time.monotonic())

    async def spend(self, count: int) -> None:
        """Wait until ``count`` more bytes keep within the user's own limit."""
        if self._max_bytes_per_s is None:
            return
        now = time.monotonic()
        self._bytes_due = max(self._bytes_due, now) + count / self._max_bytes_per_s
        if self._bytes_due > now:
            await anyio.sleep(self._bytes_due - now)

    def answered(self) -> None:
        """The host served a request: patience starts anew."""
        self._cool_s = COOL_FIRST_S

    def refused(self, error: HostBusy) -> None:
        """The host refused a request: leave it alone."""
        now = time.monotonic()
        wait_s = error.retry_after_s or self._cool_s
        self._cool_s = min(COOL_MAX_S, self._cool_s * 2)
        if now + wait_s > self._quiet_until:
            self._quiet_until = now + wait_s
            if self._cooled is not None:
                self._cooled(wait_s, str(error))

    def _learn(self, error: HostBusy, rested_s: float) -> None:
        """A stream was refused although it had rested for so long: the host still held the place of the one before."""
        # Over S3 the same refusal may come as 503 SlowDown.
        too_many = error.status == HTTPStatus.TOO_MANY_REQUESTS or "Max session" in str(error)
        if too_many and rested_s < REST_MAX_S:
            self.rest_s = min(REST_MAX_S, max(self.rest_s, rested_s * 1.5 + 0.1))

    @property
    def requests_last_minute(self) -> int:
        """Requests sent within the last minute."""
        self._forget(time.monotonic())
        return len(self._requests)

    def _wait_s(self, now: float) -> float:
        self._forget(now)
        full = self.requests_per_minute is not None and len(self._requests) >= self.requests_per_minute
        turn_s = max(self._requests[0] + WINDOW_S - now, TICK_S) if full else 0.0
        return max(self._quiet_until - now, turn_s)

    def _forget(self, now: float) -> None:
        while self._requests and self._requests[0] < now - WINDOW_S:
            self._requests.popleft()
