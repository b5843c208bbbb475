from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.observe.rates import BIN_S, ETA_BINS, WINDOW_S, Rates, Sample, eta, rounded


def rates(*samples: tuple[float, int]) -> Rates:
    told = Rates()
    for at_s, count in samples:
        told.add(Sample(at_s=at_s, bytes=count))
    return told


def test_nothing_is_known_from_one_sample() -> None:
    assert rates((5.0, 1000)).window().bytes_per_s == 0.0
    assert Rates().window().seconds == 0.0
    assert Rates().history() == ()


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    fast_then_slow = rates(*((t, t * 100) for t in range(21)), *((20 + t, 2000 + t * 10) for t in range(1, 11)))
    window = fast_then_slow.window()
    assert window.seconds == WINDOW_S
    assert window.bytes_per_s == pytest.approx(10)


def test_a_sample_out_of_order_is_ignored() -> None:
    assert rates((0, 0), (2, 200), (1, 900)).window().bytes_per_s == 100


def test_means_are_of_the_samples_and_rates_of_the_differences() -> None:
    told = Rates()
    told.add(Sample(at_s=0))
    told.add(Sample(at_s=1, objects=5, streams=4, writes_waiting=2, cpu_s=0.5, late_s=0.1))
    told.add(Sample(at_s=2, objects=8, streams=2, writes_waiting=0, cpu_s=1.5, late_s=0.3))
    window = told.window()
    assert (window.objects, window.streams, window.writes_waiting, window.cpu_cores) == (8, 3, 1, 0.75)
    assert window.late_s == pytest.approx(0.2)


def test_history_has_one_rate_for_each_whole_bin_whenever_samples_came() -> None:
    assert rates((0, 0), (1.5, 150), (4.5, 450), (5, 500)).history() == (100.0, 100.0)


@given(st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=60))
def test_history_loses_no_byte(counts: list[int]) -> None:
    told, total = rates((0, 0)), 0
    for index, count in enumerate(counts, start=1):
        total += count
        told.add(Sample(at_s=index * BIN_S, bytes=total))
    assert sum(told.history()) * BIN_S == pytest.approx(total)


@pytest.mark.parametrize(
    ("remaining", "history"),
    [(None, [10.0] * 20), (1000.0, [10.0] * 4), (1000.0, [0.0] * 20), (1e18, [1.0] * 20)],
    ids=["size unknown", "too early", "nothing comes", "beyond a year"],
)
def test_the_end_is_unknown_while_it_is(remaining: float | None, history: list[float]) -> None:
    assert eta(remaining, history) is None


def test_a_steady_rate_has_a_band_without_width() -> None:
    end = eta(1000.0, [10.0] * 20)
    assert end is not None
    assert (end.about_s, end.soonest_s, end.latest_s) == (100.0, 100.0, 100.0)


def test_an_unsteady_rate_has_a_wide_one() -> None:
    end = eta(1000.0, [5.0] * 20 + [20.0] * 20)
    assert end is not None
    assert (end.about_s, end.soonest_s, end.latest_s) == (80.0, 50.0, 200.0)


def test_a_rate_that_fell_to_nothing_has_no_latest_end() -> None:
    end = eta(1000.0, [10.0] * 20 + [0.0] * 20)
    assert end is not None
    assert end.latest_s is None


def test_a_rate_next_to_nothing_is_nothing() -> None:
    end = eta(1e13, [1e6] * 100 + [0.001] * 50)
    assert end is not None
    assert end.latest_s is None


def test_only_the_last_minutes_count() -> None:
    assert eta(1000.0, [1e9] * 100 + [10.0] * ETA_BINS) == eta(1000.0, [10.0] * ETA_BINS)


@given(
    st.lists(st.floats(min_value=0, max_value=1e9), min_size=5, max_size=200), st.floats(min_value=1, max_value=1e13)
)
def test_the_band_holds_the_middle(history: list[float], remaining: float) -> None:
    end = eta(remaining, history)
    if end is not None:
        assert 0 < end.soonest_s <= end.about_s
        assert end.latest_s is None or end.latest_s >= end.about_s * (1 - 1e-9)


@pytest.mark.parametrize(("ahead_s", "step_s"), [(60, 5), (1800, 60), (7200, 300), (50_000, 900), (200_000, 3600)])
def test_a_moment_is_no_finer_than_it_can_be_known(ahead_s: float, step_s: float) -> None:
    assert rounded(1_000_003.0, ahead_s) % step_s == 0
    assert abs(rounded(1_000_003.0, ahead_s) - 1_000_003.0) <= step_s / 2
