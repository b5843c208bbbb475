"""Looks at a run: state and meter become one frozen view, from which dashboard and log show the same figures."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from skyhaul.events import Flow, Meter
from skyhaul.observe.bus import Bus
from skyhaul.observe.held_back import Gauge, HeldBack, Scene, held_back
from skyhaul.observe.progress import Progress, progress
from skyhaul.observe.rates import Eta, Rates, Sample, Window, eta
from skyhaul.observe.rows import Row, Rows
from skyhaul.observe.state import RunState

_MINUTE_S = 60.0
_STEADY_S = 2.0
"""A cause is shown at least so long, or the sentence could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Where the time comes from: monotonic, since the epoch, and this process's processor time; all in seconds."""

    monotonic_s: Callable[[], float] = time.monotonic
    epoch_s: Callable[[], float] = time.time
    cpu_s: Callable[[], float] = time.process_time


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A run as it is shown at ``now_s``, seconds since the epoch.

    ``history`` holds the rate of each :data:`rates.BIN_S`; ``None`` among ``rows`` is a free place.
    """

    state: RunState
    gauge: Gauge
    window: Window
    history: tuple[float, ...]
    progress: Progress
    eta: Eta | None
    held_back: HeldBack
    rows: tuple[Row | None, ...]
    now_s: float
    allowance_bytes_per_s: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Since the run started, until it ended."""
        start = self.state.run.at_s if self.state.run else self.now_s
        return (self.state.ended_s or self.now_s) - start

    @property
    def efficiency(self) -> float | None:
        """The present rate over what the archive allows."""
        return self.window.bytes_per_s / self.allowance_bytes_per_s if self.allowance_bytes_per_s else None


@dataclass(slots=True)
class Watch:
    """Samples a bus and a meter; on the event loop's thread, where both are written."""

    bus: Bus
    meter: Meter
    clocks: Clocks = field(default_factory=Clocks)
    _rates: Rates = field(default_factory=Rates)
    _rows: Rows = field(default_factory=Rows)
    _shown: HeldBack | None = None
    _shown_since_s: float = 0.0

    def look(self, late_s: float = 0.0) -> View:
        """What is to be seen now. ``late_s`` is how much later than asked the event loop came back for this."""
        at_s, now_s, state = self.clocks.monotonic_s(), self.clocks.epoch_s(), self.bus.state
        flows = tuple(self.meter.flows.values())
        self._rates.add(self._sample(at_s, late_s, flows))
        rows = self._rows.look(state.open, flows, at_s)
        scene = Scene(
            state=state,
            gauge=self._gauge(at_s),
            window=self._rates.window(),
            rows=[row for row in rows if row is not None],
            now_s=now_s,
            cores=os.cpu_count() or 1,
            disk_bytes_per_s=self.meter.received_bytes / self.meter.write_busy_s if self.meter.write_busy_s else None,
        )
        so_far = progress(state, sum(flow.done for flow in flows))
        history = self._rates.history()
        return View(
            state=state,
            gauge=scene.gauge,
            window=scene.window,
            history=history,
            progress=so_far,
            eta=eta(so_far.remaining, history),
            held_back=self._steady(held_back(scene), at_s),
            rows=rows,
            now_s=now_s,
            allowance_bytes_per_s=scene.allowance_bytes_per_s,
        )

    def _sample(self, at_s: float, late_s: float, flows: Sequence[Flow]) -> Sample:
        # A transfer without a byte waits for a stream of its own, or has one and waits for the answer.
        without = sum(1 for flow in flows if not flow.done and not flow.verifying)
        return Sample(
            at_s=at_s,
            bytes=self.meter.received_bytes - self.meter.refetched_bytes,
            objects=self.bus.state.objects,
            streams=self.meter.streams,
            streams_waiting=min(self.meter.streams, max(0, without - self.meter.streams_wanted)),
            writes_waiting=self.meter.writes_waiting,
            cpu_s=self.clocks.cpu_s(),
            late_s=late_s,
        )

    def _gauge(self, at_s: float) -> Gauge:
        requests = self.meter.requests
        return Gauge(
            streams=self.meter.streams,
            streams_wanted=self.meter.streams_wanted,
            expanding=self.meter.expanding,
            queued_objects=self.meter.queued_objects,
            requests_last_minute=len(requests) - bisect_left(requests, at_s - _MINUTE_S),
            bytes_30_days=self.meter.bytes_30_days,
            refetched_bytes=self.meter.refetched_bytes,
        )

    def _steady(self, answer: HeldBack, at_s: float) -> HeldBack:
        shown = self._shown
        if shown is not None and shown.cause != answer.cause and self._hold(answer, at_s):
            return shown
        if shown is None or shown.cause != answer.cause:
            self._shown_since_s = at_s
        self._shown = answer
        return answer

    def _hold(self, answer: HeldBack, at_s: float) -> bool:
        urgent = answer.tone == "waiting" or answer.cause == "end"
        return not urgent and at_s - self._shown_since_s < _STEADY_S
