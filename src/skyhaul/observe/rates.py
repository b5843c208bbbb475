"""How fast, for how long: figures from samples of the meter. Pure; times are monotonic seconds, the caller's."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import fmean

WINDOW_S = 10.0
BIN_S = 2.0
"""One column of the rate's history."""

ETA_BINS = 150
"""The last minutes, whose spread becomes the band of the completion time."""

_ETA_BINS_MIN = 5
_ETA_SMOOTH_BINS = 15
_HORIZON_MAX_S = 400 * 86_400.0
SOON_S = 900.0
"""Nearer than this, the second in which it will be done is worth telling."""

_STEPS_S = ((SOON_S, 5.0), (3600.0, 60.0), (6 * 3600.0, 300.0), (86_400.0, 900.0), (float("inf"), 3600.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The meter at one moment: ``bytes`` are those received less those fetched twice, ``objects`` finished transfers.

    ``streams_waiting`` are those that have asked and not had a byte yet.
    ``cpu_s`` is the processor time of this process, ``late_s`` how much later than asked the event loop woke up for this sample.
    """

    at_s: float
    bytes: int = 0
    objects: int = 0
    streams: int = 0
    streams_waiting: int = 0
    writes_waiting: int = 0
    cpu_s: float = 0.0
    late_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The last ten seconds, or what there is of them: differences of ``bytes`` and ``objects``, of the rest means."""

    seconds: float = 0.0
    bytes: int = 0
    objects: int = 0
    streams: float = 0.0
    streams_waiting: float = 0.0
    writes_waiting: float = 0.0
    cpu_cores: float = 0.0
    late_s: float = 0.0

    @property
    def bytes_per_s(self) -> float:
        """The rate that dashboard, log and report call *the* rate."""
        return self.bytes / self.seconds if self.seconds > 0 else 0.0


class Rates:
    """Samples of a run, kept as far back as anyone looks."""

    def __init__(self) -> None:
        self._recent: deque[Sample] = deque()
        self._edges: deque[float] = deque(maxlen=ETA_BINS + 1)
        self._next_edge_s = 0.0

    def add(self, sample: Sample) -> None:
        """Take in ``sample``; one that is not later than the last is ignored."""
        if not self._recent:
            self._edges.append(sample.bytes)
            self._next_edge_s = sample.at_s + BIN_S
            self._recent.append(sample)
        elif sample.at_s > self._recent[-1].at_s:
            self._close_bins(self._recent[-1], sample)
            self._recent.append(sample)
            while self._recent[1].at_s <= sample.at_s - WINDOW_S:
                self._recent.popleft()

    def _close_bins(self, before: Sample, after: Sample) -> None:
        slope = (after.bytes - before.bytes) / (after.at_s - before.at_s)
        while self._next_edge_s <= after.at_s:
            self._edges.append(before.bytes + slope * (self._next_edge_s - before.at_s))
            self._next_edge_s += BIN_S

    def window(self) -> Window:
        """The figures of the last :data:`WINDOW_S` seconds."""
        first, *inside = self._recent or [Sample(at_s=0.0)]
        if not inside:
            return Window()
        last = inside[-1]
        seconds = last.at_s - first.at_s
        return Window(
            seconds=seconds,
            bytes=max(0, last.bytes - first.bytes),
            objects=last.objects - first.objects,
            streams=fmean(sample.streams for sample in inside),
            streams_waiting=fmean(sample.streams_waiting for sample in inside),
            writes_waiting=fmean(sample.writes_waiting for sample in inside),
            cpu_cores=(last.cpu_s - first.cpu_s) / seconds,
            late_s=fmean(sample.late_s for sample in inside),
        )

    def history(self) -> tuple[float, ...]:
        """Bytes a second in each whole :data:`BIN_S` so far, oldest first; of the last five minutes at most."""
        return tuple(max(0.0, after - before) / BIN_S for before, after in pairwise(self._edges))


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """When it will be done, in seconds from now: about, soonest and latest, ``None`` where the rate has been next to nothing."""

    about_s: float
    soonest_s: float
    latest_s: float | None


def eta(remaining_bytes: float | None, history: Sequence[float]) -> Eta | None:
    """When ``remaining_bytes`` are done if the next hours are like the last minutes; ``None`` where that cannot be said.

    The band is between the first and the last tenth of half-minute means.
    """
    bins = history[-ETA_BINS:]
    if remaining_bytes is None or len(bins) < _ETA_BINS_MIN:
        return None
    mean = fmean(bins)
    if mean <= 0 or remaining_bytes / mean > _HORIZON_MAX_S:
        return None
    slow, fast = _spread(bins)
    slow = min(slow, mean)
    latest_s = remaining_bytes / slow if remaining_bytes < slow * _HORIZON_MAX_S else None
    return Eta(about_s=remaining_bytes / mean, soonest_s=remaining_bytes / max(fast, mean), latest_s=latest_s)


def _spread(bins: Sequence[float]) -> tuple[float, float]:
    width = max(1, min(_ETA_SMOOTH_BINS, len(bins) // 2))
    sums = list(accumulate(bins, initial=0.0))
    means = sorted((after - before) / width for before, after in zip(sums, sums[width:], strict=False))
    tenth = len(means) // 10
    return means[tenth], means[-1 - tenth]


def rounded(at_s: float, ahead_s: float) -> float:
    """A moment that is about ``ahead_s`` ahead, no finer than it can be known: to five seconds at first, to the hour beyond a day."""
    step_s = next(step for most, step in _STEPS_S if ahead_s < most)
    return round(at_s / step_s) * step_s
