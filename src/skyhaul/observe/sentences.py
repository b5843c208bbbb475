"""What is said of a run in words: its figures in one line, its events in a sentence each. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from skyhaul.events import (
    AttemptFailed,
    DiskPaused,
    DiskResumed,
    Event,
    FilteredHere,
    HostCooled,
    NotFound,
    ObserverFailed,
    ProductFinished,
    ProductOrdered,
    RunFinished,
    RunStarted,
    SliceFailed,
)
from skyhaul.observe import text
from skyhaul.observe.progress import Progress
from skyhaul.observe.rates import SOON_S, rounded
from skyhaul.observe.report import ending
from skyhaul.observe.watch import View

NAMED_MAX = 5
"""Names in a sentence."""


def ready_text(view: View) -> str:
    """When it will be done: ``about 17:10 (16:58 to 17:40), in 2 h 41 min``."""
    if view.eta is None:
        return "unknown yet"
    scale_s = view.eta.about_s
    about, soonest = _moment(view, scale_s, scale_s), _moment(view, view.eta.soonest_s, scale_s)
    latest = "or much later" if view.eta.latest_s is None else f"to {_moment(view, view.eta.latest_s, scale_s)}"
    return f"about {about} ({soonest} {latest}), in {text.span_text(scale_s)}"


def _moment(view: View, ahead_s: float, scale_s: float) -> str:
    at_s = rounded(view.now_s + ahead_s, scale_s)
    return text.second_text(at_s) if scale_s < SOON_S else text.moment_text(at_s, view.now_s)


def reason(event: AttemptFailed) -> str:
    """Why an attempt failed, without the name of its object, which most errors begin with."""
    return event.error.removeprefix(f"{event.what}: ").removeprefix(f"{object_text(event.what)}: ")


def object_text(path: str) -> str:
    """The short name of an object: the last part of its path."""
    return path.rsplit("/", 1)[-1]


def figures(view: View) -> str:
    """The dashboard's figures in one line."""
    state, so_far = view.state, view.progress
    done = f" ({text.percent_text(so_far.fraction)})" if so_far.fraction is not None else ""
    share = f" ({text.percent_text(view.efficiency)} of the allowance)" if view.efficiency is not None else ""
    return "  ".join(
        (
            f"{text.rate_text(view.window.bytes_per_s)}{share}",
            f"{text.bytes_text(so_far.done)} of {wanted_text(so_far)}{done}",
            f"done {text.count_text(state.on_disk)} of {text.count_text(state.found)}",
            f"failed {text.count_text(state.ended.get('failed', 0))}",
            f"ready {ready_text(view)}",
            f"held back by {view.held_back.sentence}",
        )
    )


def wanted_text(so_far: Progress) -> str:
    """How many bytes there are in all: ``812.4 GB``, ``about 812.4 GB``."""
    if so_far.wanted is None:
        return "an unknown size"
    return f"{'' if so_far.exact else 'about '}{text.bytes_text(so_far.wanted)}"


def sentence(event: Event) -> str | None:
    """What a log says of ``event``; ``None`` for those that the figures cover."""
    words = _SENTENCES.get(type(event))
    return words(event) if words else None


def _run_started(event: RunStarted) -> str:
    return f"{event.title}, into {event.destination}"


def _run_finished(event: RunFinished) -> str:
    report = event.report
    return (
        f"ended: {text.count_text(report.verified)} verified, {text.count_text(report.failed)} failed; {ending(report)}"
    )


def _filtered_here(event: FilteredHere) -> str:
    return f"{event.provider} cannot be asked for {', '.join(event.fields)}: what it finds is filtered here"


def _not_found(event: NotFound) -> str:
    named, more = ", ".join(event.names[:NAMED_MAX]), len(event.names) - NAMED_MAX
    return f"not in the catalogue: {named}" + (f" and {more} more" if more > 0 else "")


def _slice_failed(event: SliceFailed) -> str:
    return f"catalogue slice {event.slice} failed: {event.error}"


def _attempt_failed(event: AttemptFailed) -> str:
    then = f"again in {text.span_text(event.wait_s)}" if event.wait_s is not None else "given up"
    return f"{event.host}: {event.what}: {reason(event)} ({event.kind}), {then}"


def _host_cooled(event: HostCooled) -> str:
    return f"{event.host}: left alone for {text.span_text(event.seconds)}: {event.reason}"


def _disk_paused(event: DiskPaused) -> str:
    return f"disk full: {text.bytes_text(event.free_bytes)} free, {text.bytes_text(event.needed_bytes)} needed; make room and it goes on"


def _disk_resumed(_: DiskResumed) -> str:
    return "disk: there is space again"


def _observer_failed(event: ObserverFailed) -> str:
    return f"{event.observer}: {event.error}"


def _product_ordered(event: ProductOrdered) -> str | None:
    return {"staging": f"ordered {event.name}", "online": f"online {event.name}"}.get(event.state)


def _product_finished(event: ProductFinished) -> str | None:
    result = event.result
    if result.state == "verified":
        return f"verified {result.name}  {text.bytes_text(result.bytes)} in {text.span_text(result.seconds)}  {result.level or ''}"
    if result.state == "failed":
        return f"failed {result.name}  {result.kind or ''}: {result.error or ''}"
    return f"offline {result.name}" if result.state == "offline" else None


_SENTENCES: Mapping[type[Event], Callable[[Any], str | None]] = {
    RunStarted: _run_started,
    RunFinished: _run_finished,
    FilteredHere: _filtered_here,
    NotFound: _not_found,
    SliceFailed: _slice_failed,
    AttemptFailed: _attempt_failed,
    HostCooled: _host_cooled,
    DiskPaused: _disk_paused,
    DiskResumed: _disk_resumed,
    ObserverFailed: _observer_failed,
    ProductFinished: _product_finished,
    ProductOrdered: _product_ordered,
}
