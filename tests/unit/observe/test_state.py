from __future__ import annotations

from functools import reduce as fold

from skyhaul.events import (
    AttemptFailed,
    DiskPaused,
    DiskResumed,
    Event,
    HostCooled,
    ObserverFailed,
    PageRead,
    ProductExpanded,
    ProductFinished,
    ProductFound,
    RunFinished,
    RunStarted,
    SliceFailed,
    SliceFinished,
    SlicePlanned,
    TransferFinished,
    TransferStarted,
)
from skyhaul.model import ProductResult, ProductState, Report
from skyhaul.observe.state import IN_HAND_MAX, LAST_FAILURES, RunState, reduce

RUN = RunStarted(provider="cdse", title="all", destination="/data", connections=4)


def after(*events: Event) -> RunState:
    return fold(reduce, events, RunState())


def found(product: str, size: int | None = 100) -> ProductFound:
    return ProductFound(product=product, name=f"{product}.SAFE", size=size)


def expanded(product: str, objects: int = 2, size: int | None = 80) -> ProductExpanded:
    return ProductExpanded(product=product, name=f"{product}.SAFE", route="s3", objects=objects, bytes=size, size=100)


def started(product: str, path: str = "a") -> TransferStarted:
    return TransferStarted(product=f"{product}.SAFE", path=path, size=40, offset=0)


def transferred(product: str, path: str = "a") -> TransferFinished:
    return TransferFinished(product=f"{product}.SAFE", path=path, bytes=40, seconds=1.0, level="blake3")


def ended(product: str, state: ProductState = "verified", level: str | None = "blake3") -> ProductFinished:
    return ProductFinished(result=ProductResult(id=product, name=f"{product}.SAFE", state=state, bytes=80, level=level))


def test_every_product_is_in_exactly_one_place() -> None:
    state = after(
        RUN,
        *(found(str(index)) for index in range(6)),
        expanded("0"),
        started("0"),
        expanded("1"),
        ended("2", "present"),
        ended("3", "failed"),
        ended("4", "offline"),
    )
    assert (state.found, state.queued, len(state.open)) == (6, 2, 1)
    assert state.ended == {"present": 1, "failed": 1, "offline": 1}
    assert state.found == state.queued + len(state.open) + sum(state.ended.values())


def test_objects_of_a_product_are_counted_until_it_ends() -> None:
    before = after(RUN, found("p"), expanded("p"), started("p"), started("p", "b"), transferred("p"))
    product = before.open["p.SAFE"]
    assert (product.route, product.objects, product.objects_done, product.bytes_done) == ("s3", 2, 1, 40)
    done = after(RUN, found("p"), expanded("p"), started("p"), transferred("p"), transferred("p", "b"), ended("p"))
    assert not done.open
    assert not done.ahead
    assert (done.on_disk, done.ended_bytes, done.objects, done.levels) == (1, 80, 2, {"blake3": 1})


def test_a_product_that_needed_no_transfer_leaves_nothing_behind() -> None:
    state = after(RUN, found("p"), expanded("p"), ended("p"))
    assert (state.queued, dict(state.ahead), dict(state.open)) == (0, {}, {})


def test_the_catalogue_is_finished_when_no_slice_is_left() -> None:
    reading = after(
        RUN, SlicePlanned(slice="a"), SlicePlanned(slice="b"), PageRead(slice="a", products=10, seconds=1, total=30)
    )
    assert (reading.slices["a"].read, reading.slices["a"].total) == (10, 30)
    assert not reading.catalogue_finished
    split = fold(reduce, (SlicePlanned(slice="b1", replaces="b"), SlicePlanned(slice="b2", replaces="b")), reading)
    assert split.slices_all == 3
    read = fold(reduce, (SliceFinished(slice=name, products=30) for name in ("a", "b1", "b2")), split)
    assert (read.catalogue_finished, read.slices_read) == (True, 3)


def test_the_catalogues_count_is_that_of_the_whole_not_of_its_parts() -> None:
    whole = after(RUN, SlicePlanned(slice="all"), PageRead(slice="all", products=10, seconds=1, total=30_000))
    parts = fold(
        reduce,
        (
            SlicePlanned(slice="a", replaces="all"),
            SlicePlanned(slice="b", replaces="all"),
            PageRead(slice="a", products=10, seconds=1, total=14_000),
            PageRead(slice="a", products=10, seconds=1, total=14_000),
            SliceFinished(slice="a", products=14_000),
        ),
        whole,
    )
    assert (whole.counted, parts.counted) == (30_000, 30_000)
    uncounted = after(
        RUN,
        SlicePlanned(slice="all"),
        PageRead(slice="all", products=7, seconds=1),
        SliceFinished(slice="all", products=7),
    )
    assert uncounted.counted == 7


def test_products_that_were_not_searched_for_need_no_catalogue() -> None:
    assert not after(RUN).catalogue_finished
    assert after(RUN, found("p")).catalogue_finished


def test_a_product_whose_manifest_comes_first_is_listed_while_it_is_open() -> None:
    state = after(RUN, found("p"), started("p", "manifest.safe"), transferred("p", "manifest.safe"), expanded("p"))
    assert not state.ahead
    product = state.open["p.SAFE"]
    assert (product.objects, product.objects_done, product.bytes) == (2, 1, 80)


def test_a_slice_that_failed_is_named() -> None:
    state = after(RUN, SlicePlanned(slice="a"), SliceFailed(slice="a", error="count differs"))
    assert state.catalogue_finished
    assert [(part.slice, part.error) for part in state.incomplete] == [("a", "count differs")]


def test_only_attempts_that_are_repeated_are_retries() -> None:
    again = AttemptFailed(host="h", what="a", kind="503", error="busy", wait_s=2.0)
    given_up = AttemptFailed(host="h", what="a", kind="503", error="busy", wait_s=None)
    state = after(RUN, again, again, given_up)
    assert state.retries == {"503": 2}
    assert state.last_retry == again


def test_a_host_cools_until_its_time_has_come() -> None:
    state = after(
        RUN,
        HostCooled(at_s=100.0, host="a", seconds=10, reason="503"),
        HostCooled(at_s=101.0, host="b", seconds=30, reason="429"),
    )
    longest = state.cooling(105.0)
    assert longest is not None
    assert longest[0] == "b"
    assert state.cooling(131.0) is None
    assert set(reduce(state, HostCooled(at_s=120.0, host="c", seconds=1, reason="")).cooled) == {"b", "c"}


def test_a_full_disk_is_remembered_until_there_is_space() -> None:
    paused = after(RUN, DiskPaused(free_bytes=1, needed_bytes=2))
    assert paused.disk is not None
    assert reduce(paused, DiskResumed()).disk is None


def test_the_end_keeps_the_report() -> None:
    report = Report(found=3)
    state = after(RUN, found("p"), RunFinished(at_s=7.0, report=report))
    assert (state.report, state.ended_s) == (report, 7.0)
    assert not state.nothing_left  # it was interrupted


def test_a_new_run_begins_with_nothing() -> None:
    assert after(RUN, found("p"), RUN) == RunState(run=RUN)


def test_sizes_of_the_catalogue_and_of_what_is_fetched_are_kept_apart() -> None:
    state = after(RUN, found("p", 100), found("q", None), expanded("p", size=80), expanded("q", size=None))
    assert (state.found, state.found_sized, state.found_bytes) == (2, 1, 100)
    assert (state.expanded_sized, state.expanded_bytes, state.expanded_size) == (1, 80, 100)


def test_no_event_is_unknown_and_none_changes_the_state_before_it() -> None:
    before = after(RUN, found("p"))
    assert reduce(before, Event()) is before
    reduce(before, expanded("p"))
    assert not before.ahead
    assert reduce(before, ObserverFailed(observer="log", error="gone")).notices


def test_a_hundred_thousand_events_leave_a_small_state() -> None:
    state = after(RUN)
    for index in range(20_000):
        name = str(index)
        for event in (found(name), expanded(name), started(name), transferred(name), ended(name, "failed")):
            state = reduce(state, event)
    assert (state.found, state.ended, state.objects) == (20_000, {"failed": 20_000}, 20_000)
    assert len(state.failures) == LAST_FAILURES
    assert not state.open
    assert not state.ahead


def test_products_that_never_end_do_not_pile_up() -> None:
    state = after(RUN, *(found(str(i)) for i in range(3000)), *(expanded(str(i)) for i in range(3000)))
    assert len(state.ahead) == IN_HAND_MAX
    assert state.queued == 3000
