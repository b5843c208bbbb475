from __future__ import annotations

import pytest

from skyhaul.events import PageRead, ProductExpanded, SliceFinished, SlicePlanned
from skyhaul.observe.progress import progress
from support.told import GB, NAME, Told


def test_all_sizes_known_and_the_catalogue_read_is_exact(told: Told) -> None:
    told.find(10)
    told.read_catalogue(10)
    told.begin(0)
    told.end(0)
    so_far = progress(told.bus.state, in_flight_bytes=GB // 2)
    assert (so_far.done, so_far.wanted, so_far.remaining) == (1.5 * GB, 10 * GB, 8.5 * GB)
    assert (so_far.exact, so_far.fraction, so_far.products) == (True, 0.15, 10)


def test_finished_objects_of_an_unfinished_product_count(told: Told) -> None:
    told.find(1)
    flow = told.begin(0, objects=4)
    told.finish_transfer(flow)
    assert progress(told.bus.state, 0).done == GB // 4


def test_products_without_a_size_are_taken_as_the_mean(told: Told) -> None:
    told.find(3)
    told.find(1, size=None, first=3)
    told.read_catalogue(4)
    so_far = progress(told.bus.state, 0)
    assert (so_far.wanted, so_far.exact) == (4 * GB, False)


def test_a_choice_of_bands_shrinks_what_the_catalogue_says(told: Told) -> None:
    told.find(10)
    told.read_catalogue(10)
    told.bus.emit(ProductExpanded(product="0", name=NAME, route="s3", objects=3, bytes=GB // 10, size=GB))
    so_far = progress(told.bus.state, 0)
    assert (so_far.wanted, so_far.exact) == (pytest.approx(GB), False)


def test_without_any_size_nothing_is_said(told: Told) -> None:
    told.find(3, size=None)
    so_far = progress(told.bus.state, 17)
    assert (so_far.done, so_far.wanted, so_far.remaining, so_far.fraction) == (17, None, None, None)


def test_what_will_never_come_is_not_waited_for(told: Told) -> None:
    told.find(4)
    told.read_catalogue(4)
    told.end(0, "failed")
    told.end(1, "offline")
    assert progress(told.bus.state, 0).remaining == 2 * GB


def test_of_the_last_products_what_is_missing_is_known(told: Told) -> None:
    told.find(2)
    told.read_catalogue(2)
    told.end(0, size=GB + 7)
    told.finish_transfer(told.begin(1, objects=4, size=4 * GB))
    so_far = progress(told.bus.state, in_flight_bytes=GB // 2)
    assert (so_far.remaining, so_far.wanted) == (2.5 * GB, 5 * GB + 7)


def test_all_is_done_when_nothing_is_left_whatever_the_sizes_were(told: Told) -> None:
    told.find(2)
    told.read_catalogue(2)
    told.end(0, size=GB + 5)
    told.end(1, "present", size=GB - 3)
    so_far = progress(told.bus.state, 0)
    assert (so_far.fraction, so_far.remaining, so_far.exact) == (1.0, 0.0, True)


def test_the_whole_is_foreseen_while_the_catalogue_is_read(told: Told) -> None:
    for name in "ab":
        told.bus.emit(SlicePlanned(slice=name))
    told.bus.emit(PageRead(slice="a", products=10, seconds=1.0, total=30))
    told.find(10)
    assert progress(told.bus.state, 0).products is None
    told.bus.emit(PageRead(slice="b", products=0, seconds=1.0, total=50))
    so_far = progress(told.bus.state, 0)
    assert (so_far.products, so_far.wanted, so_far.exact) == (80, 80 * GB, False)
    for name in "ab":
        told.bus.emit(SliceFinished(slice=name, products=10))
    assert progress(told.bus.state, 0).products == 10
