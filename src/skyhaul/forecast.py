"""When the streams under way will end, guessed from those before them: the next request then travels while a body still arrives (pure).

An archive that allows four streams and takes 60 ms to begin each answer leaves them idle for those 60 ms between any two objects. A
request sent so much earlier begins its body just as a stream falls free. Whether a request that waits for its answer counts as a stream
is the archive's secret: refusals tell. Clocks are monotonic.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

MEMORY = 32
BODY_BYTES = 256 << 10
"""Shorter bodies arrive with their headers, and tell nothing of the pace."""

PACE_BYTES = 1 << 20
MARGIN_FIRST = 0.15
MARGIN_STEP = 0.05
RELAX = 0.995
VAIN = 2
SELDOM = 10
"""For each early request that was refused so many were borne, where waiting is free: the forecast may err, the archive does not."""

STRAGGLE_S = 5.0
STRAGGLE_FACTOR = 4
LATELY = 8
WORTH = 50
"""Of bodies that last so many times as long as they are waited for, less than a fiftieth could be gained: it is not worth a refusal."""

CROWDED = 0.3
SURE_S = 0.02
"""A request that waited for so much of the shortest wait, and so long, beside a full house shows that waiting is free.

Of a shorter wait much may be our own: the request had not been sent, or its answer not been looked at. It is not worth an early one.
"""


@dataclass(slots=True, eq=False)
class Stream:
    """A request: sent at ``asked_s`` for ``size`` bytes (``None``: nobody knows), ``early`` if more were open than may be."""

    size: int | None = None
    asked_s: float = inf
    early: bool = False
    released_s: float = -inf
    """When a stream was last given back before this one was asked for."""

    crowded_s: float = 0.0
    """For how long it waited while others held all that may be open."""

    began_s: float | None = None
    heard_s: float = 0.0
    """When the last byte arrived."""

    received: int = 0
    resumable: bool = False
    patience_s: float = STRAGGLE_S
    give_up: Callable[[], object] | None = None
    """Ends the stream, so that it is opened anew."""


@dataclass(slots=True)
class Forecast:
    """What the last answers teach: how long the first byte takes, how fast a body comes, how far both can be trusted."""

    counted: bool = False
    """Early requests are refused: the archive counts those that wait as streams."""

    _waits_s: deque[float] = field(default_factory=lambda: deque(maxlen=MEMORY))
    _bodies: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=MEMORY))
    _least_wait_s: float = 0.0
    _lately_s: deque[float] = field(default_factory=lambda: deque(maxlen=LATELY))
    _pace: float = 0.0
    _margin: float = MARGIN_FIRST
    _met: int = 0
    _missed: int = 0

    @property
    def borne(self) -> bool:
        """Whether an early request has shown that waiting is free."""
        return self._met > 0

    @property
    def lead_s(self) -> float:
        """How long before a stream ends the next request may be sent; 0 where nothing is known yet, or it is not worth to be tried."""
        if self.counted or not self._lately_s or self._least_wait_s < SURE_S:
            return 0.0
        if not self.borne and sum(self._lately_s) > len(self._lately_s) * WORTH * self._least_wait_s:
            return 0.0
        return self._least_wait_s * (1.0 - self._margin)

    def end_s(self, stream: Stream, now: float) -> float:
        """When ``stream`` has its last byte; ``inf`` if nobody can tell."""
        if stream.size is None:
            return inf
        if stream.began_s is None:
            return max(now, stream.asked_s + self._least_wait_s) + _lasts_s(stream.size, self._pace)
        elapsed = stream.heard_s - stream.began_s  # what came since is not counted yet
        pace = stream.received / elapsed if stream.received >= PACE_BYTES and elapsed > 0 else self._pace
        return max(now, stream.began_s + _lasts_s(stream.size, pace))

    def began(self, stream: Stream, now: float) -> None:
        """The first byte of an answer is here."""
        self._waits_s.append(now - stream.asked_s)
        self._least_wait_s = min(self._waits_s)
        self._met += stream.crowded_s > max(SURE_S, CROWDED * self._least_wait_s)
        self._margin *= RELAX

    def ended(self, stream: Stream, now: float) -> None:
        """A stream had its last byte."""
        if stream.began_s is None:
            return
        self._lately_s.append(now - stream.began_s)
        if stream.received >= BODY_BYTES and now > stream.began_s:
            self._bodies.append((stream.received, now - stream.began_s))
            seconds = sum(seconds for _, seconds in self._bodies)
            self._pace = sum(size for size, _ in self._bodies) / seconds

    def straggles(self, stream: Stream, now: float) -> bool:
        """Whether a fresh connection is likely to be quicker: nothing was heard for long, or far less than from others.

        A body that would begin anew is left to itself.
        """
        if stream.began_s is None:
            return now - stream.asked_s > stream.patience_s + self._least_wait_s
        if not stream.resumable:
            return False
        elapsed = now - stream.began_s
        if now - max(stream.began_s, stream.heard_s) > stream.patience_s:
            return True
        slow = bool(self._bodies) and stream.received * STRAGGLE_FACTOR < self._pace * elapsed
        left = (stream.size or 0) - stream.received
        return slow and elapsed > stream.patience_s and left > self._pace * self._least_wait_s

    def missed(self) -> None:
        """An early request was refused."""
        self._missed += 1
        self._margin = min(1.0, self._margin + MARGIN_STEP)
        self.counted = self._missed >= VAIN and self._missed * SELDOM > self._met


def _lasts_s(size: int, pace: float) -> float:
    """How long ``size`` bytes take to come at ``pace``; 0 tells nothing."""
    if pace:
        return size / pace
    return 0.0 if size < BODY_BYTES else inf
