"""What an archive allows: open streams, requests a minute, bytes a second, and how long it wants to be left alone.

One :class:`Allowance` belongs to one account and is shared by all that spends it, whatever the protocol: CDSE counts S3, OData
and STAC downloads together. Clocks are monotonic.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from math import inf

import anyio

from skyhaul.bearable import Bearable
from skyhaul.errors import HostBusy
from skyhaul.events import Meter
from skyhaul.forecast import Forecast, Stream

Cooled = Callable[[float, str], None]
"""Told when the account is left alone: for how many seconds, and why."""

WINDOW_S = 61.0
"""A minute and what a request may spend on its way, so that no minute of the server's ever sees more than the limit."""

TICK_S = 0.001
_TOO_FAST = re.compile(r"request rate|rate limit|too many requests", re.IGNORECASE)
_STATED = re.compile(r"Max session number (\d+) exceeded")
"""CDSE names the limit that was met: 4, and 1 once an account is in the slow lane."""

COOL_FIRST_S = 0.5
COOL_MAX_S = 60.0
OPEN_FACTOR = 8
"""At most so many times the streams are asked for at once, however long the first byte takes."""

WATCH_S = 1.0
LOOK_S = 0.25
SHARED = 0.9
"""Of the requests a minute, where others send some too: what they sent in the last second nobody knows yet."""

STREAK = 20
"""After so many answers a host that is busy once is not overloaded."""

LONE_S = 5.0
"""Nor is one that serves others meanwhile, and was not busy for so long: longer than a request that was refused waits at first."""

LESS = 0.75


class Allowance:
    """Streams and requests of one account.

    A refusal cools the whole account down: all that waits, waits at least so long; but a host that is busy with one request and serves the
    others is left alone by that one. One that came while no more than the allowed streams were open teaches
    :class:`~skyhaul.bearable.Bearable` what is allowed. Requests are sent early where :class:`~skyhaul.forecast.Forecast` sees a stream
    ending; a refusal that such a request has earned cools nothing, whichever it met.
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
        self.granted = connections
        """How many of the streams are this process's: others may use the account too."""

        self.alone = True
        self.requests_of_others = 0
        """What other processes sent in the last minute."""

        self.requests_per_minute = requests_per_minute
        self._bearable = Bearable(connections)
        self.forecast = Forecast()
        self._meter = meter
        self._cooled = cooled
        self._turn = anyio.Lock()
        self._changed = anyio.Event()
        self._open: list[Stream] = []
        self._released: deque[float] = deque(maxlen=OPEN_FACTOR * connections)
        self._requests = meter.requests  # monotonic seconds, oldest first
        self._quiet_until = 0.0
        self._cool_s = COOL_FIRST_S
        self._streak = 0
        self._busy_s = -inf
        self._max_bytes_per_s = max_bytes_per_s
        self._bytes_due = 0.0

    @property
    def limit(self) -> int:
        """How many streams are used at once: what is granted, or what has proved bearable."""
        return min(self.granted, self._bearable.streams)

    @property
    def rest_s(self) -> float:
        """How long a stream that has ended still counts."""
        return self._bearable.rest_s

    @property
    def idle(self) -> int:
        """How many streams nobody uses."""
        return self.limit - len(self._open)

    @property
    def spare(self) -> int:
        """How many streams nobody uses or waits for, those included that others may have to give up first."""
        return min(self.connections, self._bearable.streams) - len(self._open) - self._meter.streams_wanted

    @property
    def held(self) -> int:
        """How many streams the archive may count as ours: those in use, and those that it releases late."""
        now = time.monotonic()
        return self._meter.streams + sum(1 for released in self._released if released + self.rest_s > now)

    @property
    def wanted(self) -> int:
        """How many streams could be used; all of them as long as nothing was asked for."""
        if not self._requests:
            return self.connections
        return max(1, min(self.connections, len(self._open) + self._meter.streams_wanted))

    @asynccontextmanager
    async def stream(self, size: int | None = None) -> AsyncIterator[Stream]:
        """Hold one of the account's streams from before the request until after the last byte, of which there are ``size``.

        The caller says when the answer is there (:meth:`began`) and counts ``received``.
        """
        async with self.place(size) as stream:
            await self.admit(stream)
            yield stream

    @asynccontextmanager
    async def place(self, size: int | None = None) -> AsyncIterator[Stream]:
        """Like :meth:`stream`, for who has something to prepare first: nothing is sent before :meth:`admit`."""
        stream = Stream(size=size)
        try:
            yield stream
        except HostBusy as error:
            self._refused(error, stream)
            raise
        finally:
            if stream in self._open:
                self._ended(stream, time.monotonic())

    async def admit(self, stream: Stream) -> None:
        """Wait until the request of ``stream`` may be sent; it is, from then on."""
        if stream in self._open:
            return  # redirected, or sent again on another connection
        self._meter.streams_wanted += 1
        try:
            async with self._turn:
                while (wait_s := self._free_s(time.monotonic())) > 0:
                    await _until(self._changed, wait_s)
                await self.request()
                stream.early = len(self._open) >= self.limit
                stream.released_s = self._released[-1] if self._released else -inf
                stream.asked_s = time.monotonic()
                self._open.append(stream)
                self._count()
        finally:
            self._meter.streams_wanted -= 1

    def began(self, stream: Stream, size: int | None = None) -> None:
        """The host serves ``stream``: ``size`` bytes, if that is known only now. Patience starts anew."""
        now = time.monotonic()
        stream.began_s = now
        stream.size = size if size is not None else stream.size
        self.forecast.began(stream, now)
        self._cool_s = COOL_FIRST_S
        self._streak += 1
        self._saw_running(now)
        self._bearable.answered(self._streak, now)
        self._moved()

    async def watch(self) -> None:
        """Open streams anew that straggle while there is nothing else to do: else the last object of a night may take all of it."""
        while True:
            await anyio.sleep(WATCH_S)
            if self._meter.streams_wanted or self._meter.writes_waiting or self.idle < 1:
                continue
            now = time.monotonic()
            for stream in self._open:
                if stream.give_up is not None and self.forecast.straggles(stream, now):
                    stream.give_up()

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

    def grant(self, streams: int, *, alone: bool = True, requests_of_others: int = 0) -> None:
        """Use so many of the account's streams from now on. Who is not ``alone`` sends nothing early: it might take another's place.

        What refusals taught while there were more or fewer of us is forgotten.
        """
        self.requests_of_others = requests_of_others
        if (streams, alone) == (self.granted, self.alone):
            return
        self.granted, self.alone = streams, alone
        self._bearable.forget()
        self._moved()

    @property
    def requests_last_minute(self) -> int:
        """Requests sent within the last minute."""
        self._forget(time.monotonic())
        return len(self._requests)

    def _ended(self, stream: Stream, now: float) -> None:
        self._saw_running(now)  # as many as this were served up to now, however long ago they began
        self.forecast.ended(stream, now)
        self._open.remove(stream)
        if stream.began_s is not None:
            self._released.append(now)
        for place, each in enumerate(self._open):
            if (
                each.early and not each.crowded_s and place < self.limit
            ):  # those before it in the list were asked before it
                each.crowded_s = now - each.asked_s
        self._moved()

    def _free_s(self, now: float) -> float:
        """In how many seconds the next request may be sent."""
        room, rest_s, lead_s = self.limit, self._bearable.rest_s, self.forecast.lead_s if self.alone else 0.0
        waiting = [stream for stream in self._open if stream.began_s is None]
        if self._bearable.trying and waiting:
            return inf
        if not self.forecast.borne and (rest_s or any(stream.early for stream in waiting)):
            lead_s = 0.0  # one early request is enough to find out whether waiting is free
        if len(self._open) >= (OPEN_FACTOR * room if lead_s else room):
            return inf
        ends = [released + rest_s for released in self._released if released + rest_s > now] if rest_s else []
        ends += [self.forecast.end_s(stream, now) + rest_s if lead_s else inf for stream in self._open]
        if len(ends) < room:
            return 0.0
        return sorted(ends)[-room] - lead_s - now

    def _count(self) -> None:
        self._meter.streams = sum(1 for stream in self._open if stream.began_s is not None or not stream.early)

    def _moved(self) -> None:
        """The next request may be due at another time than it was."""
        self._count()
        self._changed.set()
        self._changed = anyio.Event()

    def _refused(self, error: HostBusy, stream: Stream) -> None:
        now = time.monotonic()
        said = str(error)
        # CDSE: 429 over HTTP, 503 SlowDown over S3; both are also what too many requests a minute are answered with.
        too_fast = _TOO_FAST.search(said) is not None
        too_many = not too_fast and (error.status == HTTPStatus.TOO_MANY_REQUESTS or "Max session" in said)
        ahead = (each for each in self._open if each.early and not each.crowded_s)
        stated = _STATED.search(said)
        if too_many and stated is not None and int(stated[1]) < self.limit:
            self._bearable.lower(int(stated[1]), now)
        elif too_many and (stream.early or any(ahead)):  # two connections may overtake each other
            error.too_early = True
            self.forecast.missed()
            return
        elif too_many and not error.retry_after_s and self._rests(stream, now):
            error.too_early = True
            return
        elif not too_fast:
            if not too_many and not error.retry_after_s and self._lone(now):
                return
            self._adapt(now, too_many=too_many)
        self._streak = 0
        self._cool(error, now)

    def _lone(self, now: float) -> bool:
        """Whether a host that is busy is so with one request alone: a zip that it cannot make just now, say."""
        since_s, self._busy_s = now - self._busy_s, now
        if since_s <= LONE_S or all(each.began_s is None for each in self._open):
            return False
        self._streak = 0
        return True

    def _rests(self, stream: Stream, now: float) -> bool:
        """Let streams rest longer, where that may be what a refusal asks for."""
        if self._borne(now) < self.limit or not self._bearable.rests(stream, now):
            return False
        if self._bearable.trying:
            self._streak = 0
            self._moved()
        return True

    def _adapt(self, now: float, *, too_many: bool) -> None:
        borne = self._borne(now)
        if too_many and borne < self.limit:
            self._bearable.lower(borne, now)
        elif now >= self._quiet_until and self._streak < STREAK:  # else one of several that were refused together
            self._bearable.lower(int(self.limit * LESS), now)

    def _borne(self, now: float) -> int:
        """How many streams the archive has proved to allow."""
        return max(self._bearable.proved(now), len(self._open) - 1)

    def _saw_running(self, now: float) -> None:
        self._bearable.ran(sum(1 for each in self._open if each.began_s is not None), now)

    def _cool(self, error: HostBusy, now: float) -> None:
        """Leave the host alone."""
        wait_s = error.retry_after_s or self._cool_s
        if now >= self._quiet_until:
            self._cool_s = min(COOL_MAX_S, self._cool_s * 2)
        elif not error.retry_after_s:
            return  # those that are refused together are one refusal
        if now + wait_s > self._quiet_until:
            self._quiet_until = now + wait_s
            if self._cooled is not None:
                self._cooled(wait_s, str(error))

    def _wait_s(self, now: float) -> float:
        self._forget(now)
        limit = self.requests_per_minute
        if limit is not None and self.requests_of_others:
            limit = int(limit * SHARED) - self.requests_of_others
        full = limit is not None and len(self._requests) >= limit
        oldest_s = self._requests[0] if self._requests else now
        turn_s = max(oldest_s + WINDOW_S - now, TICK_S) if full else 0.0
        return max(self._quiet_until - now, min(turn_s, LOOK_S) if self.requests_of_others else turn_s)

    def _forget(self, now: float) -> None:
        while self._requests and self._requests[0] < now - WINDOW_S:
            self._requests.popleft()


async def _until(changed: anyio.Event, wait_s: float) -> None:
    """Wait for a change, and not longer than ``wait_s``."""
    if wait_s == inf:
        await changed.wait()
        return
    with anyio.move_on_after(wait_s):
        await changed.wait()
