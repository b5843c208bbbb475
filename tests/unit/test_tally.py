from __future__ import annotations

from pathlib import Path

import pytest

from skyhaul import tally as tallying
from skyhaul.catalogue.enumeration import Completeness, Incomplete
from skyhaul.events import AttemptFailed, Meter, ProductFinished, ProductFound
from skyhaul.model import ProductResult
from skyhaul.pipeline import Stopped
from skyhaul.settings import DownloadSettings
from skyhaul.tally import Tally

COMPLETE = Completeness(slices=3, products=9)


def told(*states, meter=None, allowed=None, completeness=COMPLETE, exit_code=None, stopped=None, found=None, **wanted):
    """The report of a run whose products ended in these states."""
    tally = Tally(DownloadSettings(into=Path("archive"), **wanted), meter or Meter(), allowed)
    for number in range(len(states) if found is None else found):
        tally.note(ProductFound(product=str(number), name=f"P{number}"))
    for number, state in enumerate(states):
        tally.note(ProductFinished(result=result(number, state)))
    return tally.report(completeness, exit_code=exit_code, stopped=stopped)


def result(number, state):
    state, _, kind = state.partition(":")
    level = "blake3" if state == "verified" else None
    return ProductResult(id=str(number), name=f"P{number}", state=state, bytes=100, level=level, kind=kind or None)


def test_a_run_is_counted_up():
    meter = Meter()
    meter.received_bytes = 777
    report = told("verified", "verified", "present", "failed:503", "offline:ObjectOffline", meter=meter, found=7)
    assert (report.found, report.verified, report.present, report.failed, report.pending) == (7, 2, 1, 2, 2)
    assert (report.bytes, report.fetched, report.levels) == (200, 777, {"blake3": 2})
    assert [failure.name for failure in report.failures] == ["P3", "P4"]
    assert (report.slices, report.destination) == ((3, 3), "archive")


def test_repetitions_are_counted_by_kind_and_last_failures_are_not():
    tally = Tally(DownloadSettings(into=Path()), Meter(), None)
    for kind, wait_s in [("503", 1.0), ("503", 0.0), ("ConnectionLost", 2.0), ("ObjectMissing", None)]:
        tally.note(AttemptFailed(host="eodata", what="B04.jp2", kind=kind, error="", wait_s=wait_s))
    assert tally.report(COMPLETE, exit_code=None, stopped=None).retries == {"503": 2, "ConnectionLost": 1}


def test_failures_are_kept_up_to_a_number_and_counted_beyond(monkeypatch):
    monkeypatch.setattr(tallying, "FAILURES_KEPT", 2)
    report = told(*["failed:503"] * 5)
    assert (report.failed, len(report.failures)) == (5, 2)


BROKEN = Completeness(slices=2, incomplete=(Incomplete(slice="2024-04", error="count 5, read 4"),))
LOCKED = Completeness(slices=2, incomplete=(Incomplete(slice="2024-04", error="401", exit_code=5),))


@pytest.mark.parametrize(
    ("states", "completeness", "exit_code"),
    [
        (["verified", "present"], COMPLETE, 0),
        ([], COMPLETE, 3),
        (["verified", "failed:503"], COMPLETE, 1),
        (["verified", "offline:ObjectOffline"], COMPLETE, 1),
        (["failed:AccessDenied", "failed:TokenRefused"], COMPLETE, 5),
        (["failed:AccessDenied", "failed:503"], COMPLETE, 1),
        (["verified"], BROKEN, 4),
        (["failed:503"], BROKEN, 4),
        (["verified"], LOCKED, 5),
        (["verified"], Completeness(missing=("P9",)), 1),
        ([], Completeness(missing=("P9",)), 1),
        (["verified"], None, 0),
    ],
)
def test_how_a_run_ends(states, completeness, exit_code):
    assert told(*states, completeness=completeness).exit_code == exit_code


def test_what_ended_a_run_early_decides_its_exit_code():
    report = told("failed:DiskFull", exit_code=6, stopped="no space left on device")
    assert (report.exit_code, report.stopped) == (6, "no space left on device")


def test_what_is_not_complete_is_named():
    report = told("verified", completeness=BROKEN)
    assert (report.slices, report.incomplete) == ((2, 3), ("2024-04: count 5, read 4",))
    report = told("verified", completeness=Completeness(missing=("P9",)))
    assert report.incomplete == ("not in the catalogue: P9",)


@pytest.mark.parametrize(
    ("wanted", "states", "reason"),
    [
        ({"fail_fast": True}, ["verified", "failed:503"], "--fail-fast"),
        ({"fail_fast": True}, ["offline:ObjectOffline"], "--fail-fast"),
        ({"max_bytes": 200}, ["verified", "verified"], "--max-bytes"),
        ({"max_time_s": 0.0}, ["verified"], "--max-time"),
    ],
)
def test_a_run_goes_as_far_as_the_user_says(wanted, states, reason):
    tally = Tally(DownloadSettings(into=Path(), **wanted), Meter(), None)
    for number, state in enumerate(states):
        tally.note(ProductFinished(result=result(number, state)))
    with pytest.raises(Stopped, match=reason) as stop:
        tally.check()
    assert stop.value.exit_code == 1


@pytest.mark.parametrize(
    ("wanted", "states"),
    [
        ({}, ["verified", "failed:503"]),
        ({"fail_fast": True}, ["verified", "present"]),
        ({"max_bytes": 201}, ["verified", "verified", "present"]),
        ({"max_time_s": 3600.0}, ["verified"]),
    ],
)
def test_and_no_less_far(wanted, states):
    tally = Tally(DownloadSettings(into=Path(), **wanted), Meter(), None)
    for number, state in enumerate(states):
        tally.note(ProductFinished(result=result(number, state)))
    tally.check()


def test_efficiency_is_the_rate_over_what_the_archive_allows(monkeypatch):
    now = iter([10.0, 12.0])
    monkeypatch.setattr(tallying.time, "monotonic", lambda: next(now))
    report = told("verified", "verified", allowed=200.0)
    assert (report.seconds, report.bytes_per_s, report.efficiency) == (2.0, 100.0, 0.5)
