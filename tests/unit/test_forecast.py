from __future__ import annotations

from math import inf

import pytest

from skyhaul.forecast import BODY_BYTES, LATELY, SELDOM, SURE_S, VAIN, Forecast, Stream


def taught(wait_s=0.2, bytes_per_s=1e6):
    """A forecast that saw one answer."""
    forecast = Forecast()
    stream = Stream(asked_s=0.0, size=BODY_BYTES)
    stream.began_s = wait_s
    forecast.began(stream, wait_s)
    stream.received = BODY_BYTES
    forecast.ended(stream, wait_s + BODY_BYTES / bytes_per_s)
    return forecast


def test_who_has_seen_nothing_leads_nothing():
    forecast = Forecast()
    assert forecast.lead_s == 0.0
    stream = Stream(asked_s=0.0, size=10)
    forecast.began(stream, 0.2)
    assert forecast.lead_s == 0.0, "the pace of a body is not known yet"


def test_a_stream_ends_when_its_bytes_have_come():
    forecast = taught()
    assert forecast.end_s(Stream(asked_s=10.0, size=500_000), 10.1) == pytest.approx(10.7)
    assert forecast.end_s(Stream(asked_s=10.0, size=500_000, began_s=10.3), 10.4) == pytest.approx(10.8)
    assert forecast.end_s(Stream(asked_s=10.0, size=500_000, began_s=10.3), 99.0) == 99.0, "it is late, not over"
    assert forecast.end_s(Stream(asked_s=10.0), 10.1) == inf


def test_a_long_body_tells_its_own_pace():
    slow = Stream(asked_s=0.0, size=40_000_000, began_s=1.0, received=5_000_000, heard_s=11.0)
    assert taught().end_s(slow, 11.0) == pytest.approx(81.0)
    assert taught().end_s(slow, 11.9) == pytest.approx(81.0), "what came since is counted with the next batch"


@pytest.mark.parametrize(("bytes_per_s", "leads"), [(BODY_BYTES / 9.0, True), (BODY_BYTES / 11.0, False)])
def test_where_little_can_be_gained_nothing_is_sent_early(bytes_per_s, leads):
    assert (taught(wait_s=0.2, bytes_per_s=bytes_per_s).lead_s > 0.0) is leads


def test_long_bodies_that_came_first_are_forgotten_when_short_ones_follow():
    """The largest of the last products come first: a mean over all of them would hide what the small ones after them could gain."""
    forecast = taught(wait_s=0.1, bytes_per_s=BODY_BYTES / 60.0)
    for _ in range(LATELY):
        short = Stream(asked_s=0.0, began_s=1.0, received=BODY_BYTES)
        forecast.ended(short, 2.0)
    assert forecast.lead_s > 0.0


def test_the_lead_is_shorter_than_the_shortest_wait():
    forecast = taught(wait_s=0.2)
    forecast.began(Stream(asked_s=0.0), 0.9)
    assert 0.1 < forecast.lead_s < 0.2


def early(forecast, crowded_s):
    forecast.began(Stream(asked_s=0.0, size=1, early=True, crowded_s=crowded_s), 0.2)


def test_refusals_make_it_careful_and_answers_bold_again():
    forecast = taught()
    early(forecast, crowded_s=0.15)
    for _ in range(60):
        early(forecast, crowded_s=0.15)
    bold = forecast.lead_s
    for _ in range(5):
        forecast.missed()
    careful = forecast.lead_s
    assert careful < bold
    for _ in range(300):
        early(forecast, crowded_s=0.15)
    assert forecast.lead_s > careful
    assert not forecast.counted


@pytest.mark.parametrize("crowded_s", [0.0, 0.01])
def test_refusals_alone_mean_that_waiting_counts(crowded_s):
    forecast = taught()
    early(forecast, crowded_s)  # a stream fell free while it travelled: that proves nothing
    for _ in range(VAIN):
        forecast.missed()
    assert forecast.counted
    assert forecast.lead_s == 0.0


def test_refusals_that_go_on_mean_that_waiting_counts_whatever_was_borne_once():
    forecast = taught()
    for _ in range(2 * SELDOM):
        early(forecast, crowded_s=0.15)
    for _ in range(VAIN):
        forecast.missed()
    assert not forecast.counted, "the forecast erred"
    forecast.missed()
    assert forecast.counted


@pytest.mark.parametrize(("wait_s", "leads"), [(0.9 * SURE_S, False), (1.1 * SURE_S, True)])
def test_a_wait_that_may_be_our_own_is_not_hidden(wait_s, leads):
    assert (taught(wait_s=wait_s, bytes_per_s=1e9).lead_s > 0.0) is leads


@pytest.mark.parametrize(("crowded_s", "borne"), [(0.9 * SURE_S, False), (1.1 * SURE_S, True)])
def test_a_short_crowd_proves_nothing(crowded_s, borne):
    forecast = taught(wait_s=0.04)
    early(forecast, crowded_s=crowded_s)
    assert forecast.borne is borne


def test_short_bodies_teach_no_pace():
    forecast = Forecast()
    stream = Stream(asked_s=0.0, size=100, began_s=0.2, received=100)
    forecast.began(stream, 0.2)
    forecast.ended(stream, 0.2)
    assert forecast.end_s(Stream(asked_s=1.0, size=BODY_BYTES), 1.0) == inf
    assert forecast.end_s(Stream(asked_s=1.0, size=BODY_BYTES, began_s=1.2), 1.3) == inf
    assert forecast.end_s(Stream(asked_s=1.0, size=100), 1.0) == pytest.approx(1.2), (
        "what is short comes with its headers"
    )


def test_short_bodies_are_led_while_the_first_long_ones_still_come():
    forecast = Forecast()
    forecast.began(Stream(asked_s=0.0, size=100), 0.2)
    forecast.ended(Stream(asked_s=0.0, size=100, began_s=0.2, received=100), 0.2)
    assert forecast.lead_s > 0.0


def test_where_waiting_is_free_long_bodies_are_led_as_well():
    forecast = taught(wait_s=0.2, bytes_per_s=BODY_BYTES / 60.0)
    assert forecast.lead_s == 0.0
    early(forecast, crowded_s=0.15)
    assert forecast.borne
    assert forecast.lead_s > 0.0


def test_a_few_long_bodies_among_short_ones_do_not_hide_what_those_could_gain():
    forecast = taught(wait_s=0.1, bytes_per_s=BODY_BYTES / 6.0)
    assert forecast.lead_s == 0.0
    for _ in range(LATELY // 2):
        forecast.ended(Stream(asked_s=0.0, began_s=1.0, received=100), 1.0)
    assert forecast.lead_s > 0.0


@pytest.mark.parametrize(
    ("stream", "straggles"),
    [
        (Stream(asked_s=0.0), True),
        (Stream(asked_s=94.0, began_s=94.2, heard_s=99.9, received=6_000_000, size=10_000_000, resumable=True), False),
        (Stream(asked_s=80.0, began_s=80.2, heard_s=99.9, received=900_000, size=10_000_000, resumable=True), True),
        (Stream(asked_s=80.0, began_s=80.2, heard_s=99.9, received=900_000, size=10_000_000), False),
        (Stream(asked_s=80.0, began_s=80.2, heard_s=99.9, received=900_000, size=1_000_000, resumable=True), False),
        (Stream(asked_s=98.0, began_s=98.2, heard_s=99.9, received=9_000, size=10_000_000, resumable=True), False),
        (Stream(asked_s=80.0, began_s=80.2, heard_s=90.0, received=9_000_000, size=10_000_000, resumable=True), True),
        (Stream(asked_s=80.0, began_s=80.2, heard_s=90.0, received=9_000_000, size=10_000_000), False),
        (Stream(asked_s=80.0, patience_s=40.0), False),
    ],
    ids=[
        "no answer",
        "quick",
        "slow",
        "slow, and would begin anew",
        "slow, but nearly done",
        "just begun",
        "silent",
        "silent, and would begin anew",
        "silent before",
    ],
)
def test_who_straggles(stream, straggles):
    assert taught().straggles(stream, 100.0) is straggles
