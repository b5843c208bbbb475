from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from skyhaul.model import ByteRange
from skyhaul.transfer import parts

SIZE = 60


def span(start, stop):
    return ByteRange(start=start, stop=stop)


def spans_within(size):
    return st.lists(
        st.tuples(st.integers(0, size - 1), st.integers(1, size)).map(lambda ends: span(ends[0], ends[0] + ends[1])),
        max_size=8,
    )


def covered(spans):
    return {at for each in spans for at in range(each.start, each.stop)}


def test_what_is_missing_lies_between_what_is_done():
    assert list(parts.missing(100, [span(60, 80), span(10, 20)])) == [span(0, 10), span(20, 60), span(80, 100)]


def test_nothing_of_an_empty_object_is_missing():
    assert list(parts.missing(0, [])) == []


@given(spans_within(SIZE))
def test_missing_and_done_make_the_object_and_share_no_byte(done):
    gaps = list(parts.missing(SIZE, done))
    assert covered(gaps) == set(range(SIZE)) - covered(done)
    assert gaps == parts.merged(gaps), "gaps come in order, and none touches the next"


@given(spans_within(SIZE))
def test_spans_of_a_larger_version_leave_no_gap_beyond_the_end(done):
    assert all(gap.stop <= SIZE // 2 for gap in parts.missing(SIZE // 2, done))


@given(spans_within(SIZE), st.randoms())
def test_merging_keeps_every_byte_in_the_fewest_spans(spans, random):
    merged = parts.merged(spans)
    assert covered(merged) == covered(spans)
    assert all(left.stop < right.start for left, right in itertools.pairwise(merged))
    random.shuffle(spans)
    assert parts.merged(spans) == merged


@given(spans_within(SIZE), st.integers(1, SIZE + 1))
def test_pieces_are_small_enough_and_make_up_the_same_bytes(spans, part_bytes):
    spans = parts.merged(spans)
    pieces = list(parts.split(spans, lambda left: part_bytes))
    assert all(len(piece) <= part_bytes for piece in pieces)
    assert parts.merged(pieces) == spans
    assert sum(map(len, pieces)) == sum(map(len, spans))
    assert len(pieces) == sum(-(-len(each) // part_bytes) for each in spans), "no piece is cut without need"


@given(spans_within(SIZE), st.integers(1, 5))
def test_pieces_are_cut_by_what_is_left_when_they_are_asked_for(spans, share):
    spans, told = parts.merged(spans), []
    pieces = parts.split(spans, lambda left: told.append(left) or max(1, left // share))
    left = sum(map(len, spans))
    for piece in pieces:
        assert told.pop() == left
        assert len(piece) <= max(1, left // share)
        left -= len(piece)
    assert left == 0


@given(spans_within(SIZE))
def test_the_front_is_the_first_byte_that_is_not_there(spans):
    there = covered(spans)
    assert parts.front(spans) == next(at for at in range(3 * SIZE) if at not in there)
