"""What an archive bears, learnt from its refusals: how many streams, and how long one that has ended still counts (pure).

A refusal while no more than the allowed streams are open means one of two things. The server releases them late (CDSE does): from then on
a stream rests before it is used again, and one request alone tries whether it rests long enough. Or it allows fewer than it is said to,
where never so many ran side by side: from then on fewer are used. Now and then more is tried. Clocks are monotonic.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import inf

from skyhaul.forecast import Stream

REST_MIN_S = 0.01
REST_FIRST_S = 0.5
REST_MAX_S = 10.0
SEEN_S = 15.0
PROBE_FIRST_S = 10.0
PROBE_MAX_S = 300.0
SELDOM = 100
"""A rest is shortened after so many answers: where it was needed, that costs a refusal."""


@dataclass(slots=True)
class Bearable:
    """What is borne by an archive that is said to allow so many ``connections``."""

    connections: int
    streams: int = field(init=False)
    """How many streams have proved bearable."""

    rest_s: float = 0.0
    """How long a stream that has ended still counts."""

    trying: bool = False
    """Whether that is long enough is not known yet."""

    learnt_s: float = -inf
    """When a refusal last taught something."""

    _rest_borne_s: float = 0.0  # what it was before it was shortened
    _probe_s: float = PROBE_FIRST_S
    _probing: bool = False
    _seen: deque[tuple[float, int]] = field(
        default_factory=deque
    )  # when so many ran at once: newest last, fewer after more

    def __post_init__(self) -> None:
        """Nothing is known against what is said."""
        self.streams = self.connections

    def forget(self) -> None:
        """What refusals taught holds no longer."""
        self.streams = self.connections
        self._rested()

    def ran(self, count: int, now: float) -> None:
        """So many streams are served at once."""
        while self._seen and self._seen[-1][1] <= count:
            self._seen.pop()
        self._seen.append((now, count))

    def proved(self, now: float) -> int:
        """How many streams were served at once of late."""
        while self._seen and self._seen[0][0] < now - SEEN_S:
            self._seen.popleft()
        return self._seen[0][1] if self._seen else 0

    def answered(self, streak: int, now: float) -> None:
        """A request was answered, as were ``streak`` in a row: perhaps it is time to try one more stream, or half the rest."""
        self.trying = False
        if (self.streams == self.connections and not self.rest_s) or now <= self.learnt_s + self._probe_s:
            return
        if self.streams < self.connections:
            self.streams += 1
        elif streak < SELDOM:
            return
        else:
            self._rest_borne_s = self.rest_s
            self.rest_s = self.rest_s / 2 if self.rest_s > REST_MIN_S else 0.0
        self.learnt_s, self._probing = now, True

    def lower(self, streams: int, now: float) -> None:
        """Use so many streams from now on."""
        self.streams = max(1, streams)
        self._rested()
        self._learnt(now)

    def rests(self, stream: Stream, now: float) -> bool:
        """Let streams rest longer; ``False`` if they do so long enough. Of several that were refused together, the first one counts."""
        rested_s = stream.asked_s - stream.released_s
        if rested_s >= REST_MAX_S or self.rest_s >= REST_MAX_S:
            return False
        if stream.asked_s > self.learnt_s:
            longer_s = max(REST_FIRST_S, rested_s * 1.5 + 0.1, self.rest_s * 2.0 + 0.1)
            self.rest_s, self._rest_borne_s = self._rest_borne_s or min(REST_MAX_S, longer_s), 0.0
            self.trying = True
            self._learnt(now)
        return True

    def _rested(self) -> None:
        """Nothing is known of how long streams have to rest."""
        self.rest_s, self._rest_borne_s, self.trying = 0.0, 0.0, False

    def _learnt(self, now: float) -> None:
        """A limit was met: the longer it holds, the more rarely more is tried."""
        self._probe_s = min(PROBE_MAX_S, self._probe_s * 2) if self._probing else PROBE_FIRST_S
        self.learnt_s, self._probing = now, False
