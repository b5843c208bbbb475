"""The account: slots, pace, requests a minute and the rolling transfer, shared by every protocol; and the tally of it all."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from skyhaul.simulate.scenario import Scenario

LEDGER_HOURS = 30 * 24
# A loop wakes a little late, and has other work: measured, this makes the mean right.
WAKE_EARLY_S = 0.0004


class TooManyStreamsError(Exception):
    """The account has all the streams it may have."""


class Allowance(NamedTuple):
    """What the account may do at this moment."""

    connections: int
    bytes_per_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When the bytes of one stream may leave: an absolute schedule, so that lateness never adds up."""

    started_s: float
    bytes_per_s: int | None

    def wait_s(self, sent: int, now_s: float) -> float:
        """Seconds until byte number ``sent`` of the body is due; not positive when it is."""
        if self.bytes_per_s is None:
            return 0.0
        return self.started_s + sent / self.bytes_per_s - now_s - WAKE_EARLY_S


class RequestWindow(NamedTuple):
    """Where the account stands in the present minute, as the x-ratelimit headers tell it."""

    limit: int | None
    remaining: int
    reset_s: int
    exceeded: bool


@dataclass(slots=True, kw_only=True)
class Tally:
    """Everything that was counted since the start or the last reset."""

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    streams: int = 0
    streams_max: int = 0
    refused: int = 0
    queued: int = 0
    rate_limited: int = 0
    aborted: int = 0
    bytes_served: int = 0
    stream_seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The tally as builtin types."""
        return {name: getattr(self, name) for name in self.__slots__}


class Stream:
    """One admitted stream: holds a slot until ``end``."""

    __slots__ = ("_account", "_ended", "allowance", "started_s")

    def __init__(self, account: Account, allowance: Allowance, started_s: float) -> None:
        self._account = account
        self._ended = False
        self.allowance = allowance
        self.started_s = started_s

    def end(self) -> None:
        """Give the slot back, at once or after the account's delay; saying so twice is harmless."""
        if not self._ended:
            self._ended = True
            self._account.ended(self)


class Account:
    """One user's allowance. Every protocol asks here; limits follow the scenario of the moment."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.scenario = scenario
        self.tally = Tally()
        self._clock = clock
        self._wall_clock = wall_clock
        self._held = 0
        self._waiting: deque[anyio.Event] = deque()
        self._minute = (0, 0)  # number of the minute, requests in it
        self._ledger: deque[tuple[int, int]] = deque()  # hour, bytes

    def now_s(self) -> float:
        """The clock that streams are paced by."""
        return self._clock()

    @property
    def slots_held(self) -> int:
        """Slots taken, those included whose stream ended but which are released late."""
        return self._held

    def allowance(self) -> Allowance:
        """What the scenario, or the slow lane above the 30-day transfer, allows now."""
        scenario = self.scenario
        if scenario.slow_lane_bytes is not None and self.transferred() >= scenario.slow_lane_bytes:
            return Allowance(1, scenario.slow_lane_bytes_per_s)
        return Allowance(scenario.connections, scenario.bytes_per_s_per_connection)

    def transferred(self) -> int:
        """Bytes of the last 30 days, to the hour."""
        oldest = self._hour() - LEDGER_HOURS
        while self._ledger and self._ledger[0][0] <= oldest:
            self._ledger.popleft()
        return sum(served for _, served in self._ledger)

    def served(self, count: int) -> None:
        """Book ``count`` bytes of a body."""
        self.tally.bytes_served += count
        hour = self._hour()
        if self._ledger and self._ledger[-1][0] == hour:
            self._ledger[-1] = (hour, self._ledger[-1][1] + count)
        else:
            self._ledger.append((hour, count))

    def request(self) -> RequestWindow:
        """Count one S3 request in the present minute of the wall clock."""
        now = self._wall_clock()
        minute = int(now // 60)
        self._minute = (minute, self._minute[1] + 1 if self._minute[0] == minute else 1)
        limit = self.scenario.s3_requests_per_minute
        exceeded = limit is not None and self._minute[1] > limit
        self.tally.rate_limited += exceeded
        return RequestWindow(limit, max((limit or 0) - self._minute[1], 0), 60 - int(now % 60), exceeded)

    @contextmanager
    def streaming(self, stream: Stream) -> Iterator[Stream]:
        """Hold ``stream`` for a block: however the block is left, its slot goes back."""
        try:
            yield stream
        finally:
            stream.end()

    async def admit(self) -> Stream:
        """Take a slot, first come first served.

        Raises:
            TooManyStreamsError: all slots are taken and the archive refuses rather than queues.
        """
        allowance = self.allowance()
        if self._waiting or self._held >= allowance.connections:
            if self.scenario.refuse_or_queue == "refuse":
                self.tally.refused += 1
                raise TooManyStreamsError
            await self._queue()
        else:
            self._held += 1
        self.tally.streams += 1
        self.tally.streams_max = max(self.tally.streams_max, self.tally.streams)
        return Stream(self, allowance, self._clock())

    def pace(self, stream: Stream) -> Pace:
        """The schedule of a body that begins now."""
        return Pace(started_s=self._clock(), bytes_per_s=stream.allowance.bytes_per_s)

    def ended(self, stream: Stream) -> None:
        """Called by a stream, once."""
        self.tally.streams -= 1
        self.tally.stream_seconds += self._clock() - stream.started_s
        if self.scenario.release_delay_s > 0:
            asyncio.get_running_loop().call_later(self.scenario.release_delay_s, self._give_back)
        else:
            self._give_back()

    def reset_tally(self) -> None:
        """Begin to count anew; streams that are open stay counted as open."""
        self.tally = Tally(streams=self.tally.streams, streams_max=self.tally.streams)

    def use(self, scenario: Scenario) -> None:
        """Follow another scenario from now on; streams that are open keep their pace."""
        self.scenario = scenario
        self._hand_out()

    async def _queue(self) -> None:
        self.tally.queued += 1
        turn = anyio.Event()
        self._waiting.append(turn)
        try:
            await turn.wait()
        except anyio.get_cancelled_exc_class():
            if turn.is_set():
                self._give_back()
            else:
                self._waiting.remove(turn)
            raise

    def _give_back(self) -> None:
        self._held -= 1
        self._hand_out()

    def _hand_out(self) -> None:
        connections = self.allowance().connections
        while self._waiting and self._held < connections:
            self._held += 1
            self._waiting.popleft().set()

    def _hour(self) -> int:
        return int(self._wall_clock() // 3600)
