"""Ranges, validators and pieces of a body; the stream itself is shown in test_server_streams."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.simulate.bodies import (
    FailedPreconditionError,
    InMemory,
    Span,
    UnchangedError,
    UnsatisfiableRangeError,
    Whole,
    flipped,
    parse_range,
    pieces,
    plan_body,
)
from skyhaul.simulate.faults import Fault, FaultKind

DATA = bytes(range(100))
WHOLE = Whole(
    source=InMemory(DATA),
    size=100,
    content_type="binary/octet-stream",
    etag="abc",
    last_modified=dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC),
    disposition='attachment; filename="a.zip"',
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-9", Span(0, 10)),
        ("bytes=90-", Span(90, 100)),
        ("bytes=90-1000", Span(90, 100)),
        ("bytes=-10", Span(90, 100)),
        ("bytes=-1000", Span(0, 100)),
        ("bytes=0-9,20-29", None),
        ("bytes=9-0", None),
        ("bytes=x-", None),
        ("bytes=-", None),
        ("lines=0-9", None),
    ],
)
def test_ranges(header, expected):
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize(("header", "size"), [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-", 0)])
def test_a_range_beyond_the_end_is_unsatisfiable(header, size):
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, size)


@given(size=st.integers(1, 10**6), data=st.data())
def test_a_range_inside_the_object_is_served_as_asked(size, data):
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(start + 1, size))
    assert parse_range(f"bytes={start}-{stop - 1}", size) == (start, stop)


def test_a_plain_get_is_whole():
    body = plan_body({}, WHOLE)
    assert (body.status, body.span) == (200, (0, 100))
    assert body.headers == {
        "Content-Type": "binary/octet-stream",
        "ETag": '"abc"',
        "Last-Modified": "Wed, 01 May 2024 12:00:00 GMT",
        "Content-Disposition": 'attachment; filename="a.zip"',
        "Accept-Ranges": "bytes",
        "Content-Length": "100",
    }


def test_a_range_is_partial_content():
    body = plan_body({"Range": "bytes=10-19"}, WHOLE)
    assert (body.status, body.span) == (206, (10, 20))
    assert (body.headers["Content-Range"], body.headers["Content-Length"]) == ("bytes 10-19/100", "10")


@pytest.mark.parametrize(
    ("condition", "status"), [('"abc"', 206), ("Wed, 01 May 2024 12:00:00 GMT", 206), ('"other"', 200)]
)
def test_if_range_decides_between_part_and_whole(condition, status):
    assert plan_body({"Range": "bytes=10-19", "If-Range": condition}, WHOLE).status == status


def test_validators():
    assert plan_body({"If-Match": '"x", "abc"'}, WHOLE).status == 200
    assert plan_body({"If-Match": "*"}, WHOLE).status == 200
    with pytest.raises(FailedPreconditionError):
        plan_body({"If-Match": '"x"'}, WHOLE)
    with pytest.raises(UnchangedError):
        plan_body({"If-None-Match": '"abc"'}, WHOLE)


def test_faults_in_the_head():
    asked = {"Range": "bytes=10-19"}
    assert plan_body(asked, WHOLE, Fault(kind=FaultKind.WHOLE)).status == 200
    assert plan_body(asked, WHOLE, Fault(kind=FaultKind.ETAG)).headers["ETag"] == '"cba"'
    assert plan_body(asked, WHOLE, Fault(kind=FaultKind.CONTENT_RANGE)).headers["Content-Range"] == "bytes 11-20/100"
    assert ".." in plan_body(asked, WHOLE, Fault(kind=FaultKind.HOSTILE_NAME)).headers["Content-Disposition"]
    with pytest.raises(FailedPreconditionError):
        plan_body({**asked, "If-Match": '"abc"'}, WHOLE, Fault(kind=FaultKind.ETAG))


@given(start=st.integers(0, 100), length=st.integers(0, 1000), size=st.integers(1, 300))
def test_pieces_cover_a_span_exactly(start, length, size):
    found = list(pieces(start, start + length, size))
    assert [byte for piece in found for byte in range(*piece)] == list(range(start, start + length))
    assert all(piece.stop - piece.start <= size for piece in found)


@given(offset=st.integers(0, 99))
def test_one_byte_is_turned(offset):
    assert [at for at in range(100) if flipped(DATA, offset)[at] != DATA[at]] == [offset]
