"""What holds a run back, worked out from its figures: one cause, one sentence with the figure that shows it. Pure.

The first cause that applies is told, so their order is part of the answer: what stops everything, then the limits that are
meant to be reached, then what keeps the run below them, at last what is left when none of these explains the rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from skyhaul.events import OrdersAwaited
from skyhaul.observe import text
from skyhaul.observe.rates import Window
from skyhaul.observe.rows import Row
from skyhaul.observe.state import RunState

Cause = Literal[
    "start",
    "end",
    "disk full",
    "refused",
    "slow lane",
    "archive",
    "max rate",
    "requests",
    "disk",
    "cpu",
    "listing",
    "catalogue",
    "verification",
    "staging",
    "offline",
    "tail",
    "silence",
    "latency",
    "idle",
    "network",
]
Tone = Literal["fine", "slow", "waiting"]

REACHED = 0.92
"""A limit is reached from this part of it on."""

SLOW_LANE_BYTES_PER_S = 1.2e6
"""CDSE: an account that has used up its 30 days gets one connection of 1 MB/s."""

_SURE_S = 3.0
_LATENCY_OBJECTS = 10
_ANSWER_SHARE = 0.2
_DISK_SHARE = 0.5
_LATE_S = 0.05
_BUSY_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """What the meter shows now, beside its bytes."""

    streams: int = 0
    streams_wanted: int = 0
    expanding: int = 0
    queued_objects: int = 0
    requests_last_minute: int = 0
    bytes_30_days: int | None = None
    refetched_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that the answer depends on. ``disk_bytes_per_s`` is what writing has reached, ``None`` before anything was written."""

    state: RunState
    gauge: Gauge
    window: Window
    rows: Sequence[Row] = ()
    now_s: float = 0.0
    cores: int = 1
    disk_bytes_per_s: float | None = None

    @property
    def waiting_objects(self) -> int:
        """Objects that could be fetched if there were a stream."""
        return self.gauge.queued_objects + self.gauge.streams_wanted

    @property
    def connections(self) -> int:
        """Streams that the archive allows."""
        return self.state.run.connections if self.state.run else 0

    @property
    def allowance_bytes_per_s(self) -> float | None:
        """What the archive allows over all its streams; ``None`` where it names no limit."""
        run = self.state.run
        return run.connections * run.bytes_per_s if run and run.bytes_per_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """The answer. ``sentence`` goes on from "held back by"; its tone says whether that is as good as it gets."""

    cause: Cause
    sentence: str
    tone: Tone


def held_back(scene: Scene) -> HeldBack:
    """What holds the run of ``scene`` back."""
    return next(answer for cause in _CAUSES if (answer := cause(scene)) is not None)


def _ended(scene: Scene) -> HeldBack | None:
    if scene.state.report is not None:
        return HeldBack(cause="end", sentence="nothing: the run has ended", tone="fine")
    if scene.state.found and scene.state.nothing_left:
        return HeldBack(cause="end", sentence="nothing: all that was found has come to its end", tone="fine")
    return None


def _disk_full(scene: Scene) -> HeldBack | None:
    disk = scene.state.disk
    if disk is None:
        return None
    free, needed = text.bytes_text(disk.free_bytes), text.bytes_text(disk.needed_bytes)
    return HeldBack(
        cause="disk full",
        sentence=f"the full disk: {free} free, {needed} needed; make room and it goes on",
        tone="waiting",
    )


def _refused(scene: Scene) -> HeldBack | None:
    found = scene.state.cooling(scene.now_s)
    if found is None or scene.window.streams >= scene.connections * REACHED:
        return None
    host, cooling = found
    left = text.span_text(math.ceil(cooling.until_s - scene.now_s))
    return HeldBack(cause="refused", sentence=f"{host}, left alone for {left}: {cooling.reason}", tone="waiting")


def _starting(scene: Scene) -> HeldBack | None:
    if scene.state.run is not None and (scene.state.found or scene.state.page_s is not None):
        return None
    return HeldBack(cause="start", sentence="the catalogue: its first answer has not come yet", tone="fine")


def _slow_lane(scene: Scene) -> HeldBack | None:
    run, rate = scene.state.run, scene.window.bytes_per_s
    one_slow_stream = 0 < rate <= SLOW_LANE_BYTES_PER_S and scene.window.streams <= 1.2  # noqa: PLR2004 a mean of one
    if run is None or not _sure(scene) or not one_slow_stream or not scene.waiting_objects:
        return None
    used, most = scene.gauge.bytes_30_days, run.bytes_per_30_days
    why = (
        f"; {text.short_bytes_text(used)} of {text.short_bytes_text(most)} in 30 days are used" if used and most else ""
    )
    return HeldBack(
        cause="slow lane", sentence=f"the slow lane: one stream at {text.rate_text(rate)}{why}", tone="slow"
    )


def _archive(scene: Scene) -> HeldBack | None:
    run, allowance = scene.state.run, scene.allowance_bytes_per_s
    if run is None or not run.bytes_per_s or not allowance or scene.window.bytes_per_s < REACHED * allowance:
        return None
    disk = scene.disk_bytes_per_s
    spare = f"; this disk has taken {text.rate_text(disk)}" if disk and disk > allowance else ""
    limit = f"the archive's {run.connections} {text.TIMES} {text.short_rate_text(run.bytes_per_s)}"
    return HeldBack(cause="archive", sentence=f"{limit}, all in use{spare}", tone="fine")


def _max_rate(scene: Scene) -> HeldBack | None:
    most = scene.state.run.max_bytes_per_s if scene.state.run else None
    if not most or scene.window.bytes_per_s < REACHED * most:
        return None
    return HeldBack(cause="max rate", sentence=f"your own limit of {text.short_rate_text(most)}", tone="fine")


def _requests(scene: Scene) -> HeldBack | None:
    most = scene.state.run.requests_per_minute if scene.state.run else None
    sent = scene.gauge.requests_last_minute
    if not most or sent < REACHED * most:
        return None
    sentence = f"the archive's {text.count_text(most)} requests a minute: {text.count_text(sent)} in the last one"
    return HeldBack(cause="requests", sentence=sentence, tone="fine")


def _disk(scene: Scene) -> HeldBack | None:
    waiting, streams = scene.window.writes_waiting, max(1.0, scene.window.streams)
    if waiting < _DISK_SHARE * streams:
        return None
    takes = text.rate_text(scene.window.bytes_per_s)
    sentence = f"the disk: {waiting:.0f} of {streams:.0f} streams wait for it, it takes {takes}"
    return HeldBack(cause="disk", sentence=sentence, tone="slow")


def _cpu(scene: Scene) -> HeldBack | None:
    busy, late_s = scene.window.cpu_cores, scene.window.late_s
    if not _sure(scene) or (late_s < _LATE_S and busy < _BUSY_SHARE * scene.cores):
        return None
    sentence = (
        f"the processor: {busy:.1f} of {scene.cores} cores busy, the event loop runs {text.span_text(late_s)} late"
    )
    return HeldBack(cause="cpu", sentence=sentence, tone="slow")


def _listing(scene: Scene) -> HeldBack | None:
    if not _starved(scene) or not scene.gauge.expanding:
        return None
    sentence = (
        f"the archive's listings: {_number(scene.gauge.expanding, 'product')} being listed, nothing else to fetch"
    )
    return HeldBack(cause="listing", sentence=sentence, tone="slow")


def _catalogue(scene: Scene) -> HeldBack | None:
    state = scene.state
    if not _starved(scene) or state.catalogue_finished:
        return None
    page = f", a page takes {text.span_text(state.page_s)}" if state.page_s is not None else ""
    done = state.slices_read + state.slices_failed
    sentence = f"the catalogue: {done} of {_number(state.slices_all, 'slice')} read{page}, nothing is queued"
    return HeldBack(cause="catalogue", sentence=sentence, tone="slow")


def _tail(scene: Scene) -> HeldBack | None:
    if not _starved(scene) or not scene.rows or scene.state.queued:
        return None
    last = max(scene.rows, key=lambda row: row.left_s or 0.0)
    size = f" of {text.bytes_text(last.size)}" if last.size is not None else ""
    figures = f"{text.bytes_text(last.done)}{size} at {text.rate_text(last.bytes_per_s)}"
    few = "one last product" if len(scene.rows) == 1 else f"the last {len(scene.rows)} products, the longest"
    return HeldBack(cause="tail", sentence=f"{few}, {figures}: {last.name}", tone="fine")


def _verifying(scene: Scene) -> HeldBack | None:
    if not scene.rows or scene.gauge.streams or not all(row.verifying for row in scene.rows):
        return None
    sentence = f"verification: {_number(len(scene.rows), 'product')} being checked, nothing is being fetched"
    return HeldBack(cause="verification", sentence=sentence, tone="slow")


def _staging(scene: Scene) -> HeldBack | None:
    awaited = scene.state.awaited
    if awaited is None or not _starved(scene):
        return None
    ordered = f"{_number(awaited.staging, 'product')} being staged" if awaited.staging else ""
    waiting = f"{_number(awaited.waiting, 'product')} to be ordered yet" if awaited.waiting else ""
    sentence = f"the archive's tapes: {', '.join(filter(None, (ordered, waiting)))}{_next_look(awaited, scene.now_s)}"
    return HeldBack(cause="staging", sentence=sentence, tone="waiting")


def _next_look(awaited: OrdersAwaited, now_s: float) -> str:
    if awaited.look_s is None:
        return ""
    left_s = math.ceil(awaited.look_s - now_s)
    return f"; the next look is in {text.span_text(left_s)}" if left_s > 0 else "; being looked at now"


def _offline(scene: Scene) -> HeldBack | None:
    offline = scene.state.ended.get("offline", 0)
    if not _starved(scene) or not offline:
        return None
    return HeldBack(
        cause="offline",
        sentence=f"the archive: {_number(offline, 'product')} offline, to be brought back from its tapes first",
        tone="waiting",
    )


def _silence(scene: Scene) -> HeldBack | None:
    if not _sure(scene) or scene.window.bytes:
        return None
    since = text.span_text(scene.window.seconds)
    sentence = f"the archive's silence: {_number(scene.gauge.streams, 'stream')} open, no byte for {since}"
    return HeldBack(cause="silence", sentence=sentence, tone="waiting")


def _latency(scene: Scene) -> HeldBack | None:
    window = scene.window
    if (
        not window.streams
        or window.objects < _LATENCY_OBJECTS
        or window.streams_waiting < _ANSWER_SHARE * window.streams
    ):
        return None
    size = text.bytes_text(window.bytes / window.objects)
    takes = text.span_text(window.streams * window.seconds / window.objects)
    share = text.percent_text(window.streams_waiting / window.streams)
    sentence = f"latency: objects of {size} take {takes} each, {share} of it is waiting for the first byte"
    return HeldBack(cause="latency", sentence=sentence, tone="slow")


def _streams(scene: Scene) -> HeldBack:
    run, window = scene.state.run, scene.window
    if not _sure(scene) or run is None:
        return HeldBack(cause="start", sentence="nothing yet: the first seconds", tone="fine")
    each = window.bytes_per_s / max(1.0, window.streams)
    if run.bytes_per_s and each >= REACHED * run.bytes_per_s:
        used = f"{window.streams:.1f} of {run.connections} in use, each at the archive's {text.short_rate_text(run.bytes_per_s)}"
        return HeldBack(cause="idle", sentence=f"idle streams: {used}", tone="slow")
    allowed = f", the archive allows {text.short_rate_text(run.bytes_per_s)} each" if run.bytes_per_s else ""
    streams = f"{window.streams:.0f} of {_number(run.connections, 'stream')} at {text.rate_text(each)} each"
    return HeldBack(cause="network", sentence=f"the network: {streams}{allowed}", tone="slow")


def _sure(scene: Scene) -> bool:
    return scene.window.seconds >= _SURE_S


def _starved(scene: Scene) -> bool:
    """Whether streams have been free for a while and there is nothing to give them."""
    return not scene.waiting_objects and scene.window.streams < REACHED * scene.connections


def _number(count: int, noun: str) -> str:
    return f"{text.count_text(count)} {noun}{'' if count == 1 else 's'}"


_CAUSES: tuple[Callable[[Scene], HeldBack | None], ...] = (
    _ended,
    _disk_full,
    _refused,
    _starting,
    _slow_lane,
    _archive,
    _max_rate,
    _requests,
    _disk,
    _cpu,
    _listing,
    _catalogue,
    _verifying,
    _tail,
    _staging,
    _offline,
    _silence,
    _latency,
    _streams,
)
