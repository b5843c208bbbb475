from __future__ import annotations

from itertools import pairwise

from skyhaul.events import DiskPaused, ProductFound, RunFinished
from skyhaul.model import Report
from support.told import GB, MB, START_S, Told


def busy(told: Told) -> None:
    told.start()
    told.find(100)
    told.read_catalogue(100)
    for product in range(4):
        told.begin(product)
    told.meter.queued_objects = 50


def test_one_look_has_all_the_figures(told: Told) -> None:
    busy(told)
    told.meter.bytes_30_days = 5 * GB
    view = told.let_pass(30, 80e6)
    assert view.window.bytes_per_s == 80e6
    assert view.efficiency == 1.0
    assert view.progress.done == 30 * 80 * MB
    assert view.eta is not None
    assert round(view.eta.about_s) == round((100 * GB - view.progress.done) / 80e6)
    assert view.held_back.cause == "archive"
    assert (view.gauge.streams, view.gauge.bytes_30_days, view.elapsed_s) == (4, 5 * GB, 30.0)


def test_bytes_fetched_twice_do_not_count_as_rate(told: Told) -> None:
    busy(told)
    told.let_pass(10, 80e6)
    told.meter.refetched_bytes = 400 * MB
    assert told.let_pass(0.25, 80e6).window.bytes_per_s < 41e6


def test_streams_that_wait_for_a_first_byte_are_seen(told: Told) -> None:
    told.start()
    told.find(8)
    for product in range(6):
        told.begin(product).done = 5 if product == 0 else 0
    told.meter.streams, told.meter.streams_wanted = 4, 2
    assert told.let_pass(2, 0).window.streams_waiting == 3  # five have no byte, two of them no stream


def test_requests_of_the_last_minute(told: Told) -> None:
    told.start()
    told.meter.requests = [float(second) for second in range(100)]
    told.passed_s = 100.0
    assert told.watch.look().gauge.requests_last_minute == 60


def test_the_sentence_stays_long_enough_to_be_read(told: Told) -> None:
    busy(told)
    assert told.let_pass(20, 80e6).held_back.cause == "archive"
    causes = [told.let_pass(0.25, 0).held_back.cause for _ in range(60)]
    changes = [index for index in range(1, 60) if causes[index] != causes[index - 1]]
    assert all(after - before >= 8 for before, after in pairwise(changes))
    assert causes[-1] == "silence"


def test_what_stops_everything_is_told_at_once(told: Told) -> None:
    busy(told)
    told.let_pass(20, 80e6)
    told.let_pass(1, 10e6)
    told.bus.emit(DiskPaused(free_bytes=0, needed_bytes=GB))
    assert told.watch.look().held_back.cause == "disk full"


def test_time_stops_with_the_run(told: Told) -> None:
    busy(told)
    told.let_pass(5, 1e6)
    told.bus.emit(RunFinished(at_s=START_S + 5, report=Report()))
    assert told.let_pass(10, 0).elapsed_s == 5.0


def test_a_look_before_anything_has_happened(told: Told) -> None:
    view = told.watch.look()
    assert (view.elapsed_s, view.efficiency, view.eta, view.rows) == (0.0, None, None, ())
    told.bus.emit(ProductFound(product="p", name="p"))
    assert told.watch.look().progress.wanted is None
