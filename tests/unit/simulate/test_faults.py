"""Faults as data: which event meets which fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.simulate.faults import STAGES, Fault, FaultBook, FaultKind, Stage, Subject

GET = Subject("s3.get", "Sentinel-2/B04.jp2")


def struck(book: FaultBook, subject: Subject, events: int, stage: Stage = Stage.BODY) -> list[int]:
    """The numbers of the events, from 1, that met a fault."""
    return [event for event in range(1, events + 1) if book.draw(stage, subject) is not None]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(kind=FaultKind.CUT), [1, 2, 3, 4, 5, 6]),
        (Fault(kind=FaultKind.CUT, nth=3), [3]),
        (Fault(kind=FaultKind.CUT, every=2), [2, 4, 6]),
        (Fault(kind=FaultKind.CUT, every=2, times=2), [2, 4]),
        (Fault(kind=FaultKind.CUT, times=1), [1]),
        (Fault(kind=FaultKind.CUT, probability=0), []),
        (Fault(kind=FaultKind.CUT, route="s3.*"), [1, 2, 3, 4, 5, 6]),
        (Fault(kind=FaultKind.CUT, route="download.*"), []),
        (Fault(kind=FaultKind.CUT, name="*.jp2", times=1), [1]),
        (Fault(kind=FaultKind.CUT, name="*.xml"), []),
        (Fault(kind=FaultKind.STATUS), []),
    ],
    ids=repr,
)
def test_when_a_fault_strikes(fault, expected):
    assert struck(FaultBook([fault], 1), GET, 6) == expected


def test_counting_per_name_strikes_each_name_once():
    book = FaultBook([Fault(kind=FaultKind.FLIP, times=1, per_name=True)], 1)
    names = ["a", "a", "b", "a", "b", "c"]
    hits = [book.draw(Stage.BODY, Subject("s3.get", name)) is not None for name in names]
    assert hits == [True, False, True, False, False, True]


def test_the_first_fault_wins_and_the_others_have_counted_the_event():
    book = FaultBook([Fault(kind=FaultKind.CUT, nth=1), Fault(kind=FaultKind.FLIP, nth=2)], 1)
    drawn = [book.draw(Stage.BODY, GET) for _ in range(3)]
    assert [fault and fault.kind for fault in drawn] == [FaultKind.CUT, FaultKind.FLIP, None]
    assert book.happened == {"cut": 1, "flip": 1}


@given(seed=st.integers(0, 1000), probability=st.floats(0, 1))
def test_the_same_seed_meets_the_same_fate(seed, probability):
    fault = Fault(kind=FaultKind.CUT, probability=probability)
    assert struck(FaultBook([fault], seed), GET, 20) == struck(FaultBook([fault], seed), GET, 20)


def test_dice_fall_about_as_often_as_they_should():
    assert 50 < len(struck(FaultBook([Fault(kind=FaultKind.CUT, probability=0.1)], 1), GET, 1000)) < 150


@given(length=st.integers(1, 10**9), at=st.none() | st.integers(0, 10**9))
def test_a_body_fault_always_finds_a_place_inside_the_body(length, at):
    assert 0 <= Fault(kind=FaultKind.CUT, at_bytes=at).offset(length) < length


def test_every_kind_has_its_stage():
    assert set(STAGES) == set(FaultKind)


@pytest.mark.parametrize("wrong", [{"probability": 1.5}, {"nth": 0}, {"every": -1}, {"times": 0}], ids=repr)
def test_impossible_faults_are_refused(wrong):
    with pytest.raises(ValueError, match=r"probability|count from 1"):
        Fault(kind=FaultKind.CUT, **wrong)
