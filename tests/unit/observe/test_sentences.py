from __future__ import annotations

import pytest

from skyhaul.events import (
    AttemptFailed,
    DiskPaused,
    DiskResumed,
    Event,
    HostCooled,
    ObserverFailed,
    PageRead,
    ProductFinished,
    RunFinished,
    RunStarted,
    SliceFailed,
)
from skyhaul.model import ProductResult, Report
from skyhaul.observe.sentences import figures, ready_text, reason, sentence
from support.told import GB, Told


def ended(**fields: str) -> ProductFinished:
    return ProductFinished(result=ProductResult(id="1", name="A.SAFE", **fields))  # type: ignore[arg-type]  # a state


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (RunStarted(provider="cdse", title="cdse  S2", destination="/data", connections=4), "cdse  S2, into /data"),
        (SliceFailed(slice="2024", error="count differs"), "catalogue slice 2024 failed: count differs"),
        (HostCooled(host="h", seconds=24.0, reason="503"), "h: left alone for 24 s: 503"),
        (
            DiskPaused(free_bytes=GB, needed_bytes=2 * GB),
            "disk full: 1.0 GB free, 2.0 GB needed; make room and it goes on",
        ),
        (DiskResumed(), "disk: there is space again"),
        (ObserverFailed(observer="events file", error="full"), "events file: full"),
        (ended(state="failed", kind="ObjectMissing", error="gone"), "failed A.SAFE  ObjectMissing: gone"),
        (ended(state="offline"), "offline A.SAFE"),
        (ended(state="present"), None),
        (PageRead(slice="a", products=1, seconds=1.0), None),
        (
            RunFinished(report=Report(verified=1204)),
            "ended: 1 204 verified, 0 failed; exit 0: everything asked for is on disk and verified as asked",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else "",
)
def test_what_the_log_says(event: Event, words: str | None) -> None:
    assert sentence(event) == words


def test_an_attempt_says_what_happens_next() -> None:
    again = AttemptFailed(host="h", what="IMG/B04.jp2", kind="503", error="busy", wait_s=1.5)
    given_up = AttemptFailed(host="h", what="IMG/B04.jp2", kind="404", error="gone", wait_s=None)
    assert sentence(again) == "h: IMG/B04.jp2: busy (503), again in 1.5 s"
    assert sentence(given_up) == "h: IMG/B04.jp2: gone (404), given up"


@pytest.mark.parametrize("error", ["reset", "B04.jp2: reset", "IMG/B04.jp2: reset"])
def test_an_object_is_not_named_twice(error: str) -> None:
    assert reason(AttemptFailed(host="h", what="IMG/B04.jp2", kind="503", error=error, wait_s=1.0)) == "reset"


@pytest.mark.usefixtures("utc")
def test_the_figures_are_those_of_the_dashboard(told: Told) -> None:
    told.start()
    told.find(100)
    told.read_catalogue(100)
    for product in range(4):
        told.begin(product)
    told.meter.streams_wanted = 4
    view = told.let_pass(40, 80e6)
    assert figures(view).startswith(
        "80.0 MB/s (100 % of the allowance)  3.2 GB of 100.0 GB (3 %)  done 0 of 100  failed 0  "
        "ready about 14:21 (14:21 to 14:21), in 20 min  held back by the archive's"
    )


def test_the_figures_before_anything_is_known(told: Told) -> None:
    view = told.watch.look()
    assert ready_text(view) == "unknown yet"
    assert "0 B of an unknown size" in figures(view)
