from __future__ import annotations

import asyncio
import os
import platform
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice, pairwise

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.errors import ConnectionLost, HostBusy
from skyhaul.measure import Bench, Figures, Point, Setup, Sweep, chosen, disk_rate, limit, machine, shared, spans
from skyhaul.model import ByteRange, RemoteObject
from skyhaul.protocols import Body
from support.pouring import pouring

PART = 64 << 20


def point(rate, connections=1, part_bytes=PART, *, verified=True, cpu_s=0.1):
    setup = Setup(connections=connections, part_bytes=part_bytes, verified=verified)
    return Point(setup=setup, bytes=rate, seconds=1.0, cpu_s=cpu_s)


def figures(*points, by_part=(), unverified=None, disk=1e12):
    return Figures(
        by_connections=points,
        by_part=by_part,
        verified=points[0],
        unverified=unverified or point(points[0].bytes, verified=False),
        disk_bytes_per_s=disk,
        cores=2,
    )


def test_the_fewest_connections_that_are_about_as_fast_as_any():
    assert chosen([point(50, 1), point(96, 4), point(100, 16)]).setup.connections == 4
    assert chosen([point(50, 1), point(94, 4), point(100, 16)]).setup.connections == 16


@pytest.mark.parametrize(
    ("disk", "cpu_s", "expected"), [(100, 0.99, "disk"), (1000, 0.99, "processor"), (1000, 0.5, "link")]
)
def test_what_the_limit_is(disk, cpu_s, expected):
    assert limit(figures(point(100, cpu_s=cpu_s), disk=disk)) == expected


@given(st.integers(1, 10_000), st.integers(1, 3000))
def test_parts_follow_each_other_through_the_object_and_begin_again(size, part_bytes):
    once = -(-size // part_bytes)
    found = list(islice(spans(size, part_bytes), 2 * once))
    assert found[:once] == found[once:]
    assert found[0].start == 0
    assert found[once - 1].stop == size
    assert all(one.stop == other.start for one, other in pairwise(found[:once]))


@pytest.fixture(autouse=True)
def in_haste(monkeypatch):
    """Who is refused is not patient for long."""
    monkeypatch.setattr("skyhaul.measure.RESTS_S", (0.1, 0.2))


class Scripted:
    """A source that knows how many read from it at once, and refuses more than it allows."""

    def __init__(self, allowed=100, error=None, late_s=0.0):
        self.allowed, self.error, self.late_s = allowed, error, late_s
        self.open = self.most = 0
        self.asked: list[ByteRange | None] = []

    @asynccontextmanager
    async def read(self, obj, span, *, etag, turn=None):
        if turn is not None:
            await turn()
        self.asked.append(span)
        if self.error is not None:
            raise self.error
        if self.open >= self.allowed:
            raise HostBusy("one too many", status=429)
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            yield Body(
                ranged=span is not None, total=obj.size, etag=None, pour=pouring(self._chunks(span, obj)), media_type=""
            )
        finally:
            if self.late_s:
                asyncio.get_running_loop().call_later(self.late_s, self._released)
            else:
                self._released()

    def _released(self):
        self.open -= 1

    async def _chunks(self, span, obj):
        size = obj.size if span is None else len(span)
        for _ in range(size // 1000):
            yield bytes(1000)
        yield bytes(size % 1000)


def bench(source, tmp_path, *, ranges=True):
    obj = RemoteObject(route="http", location="http://host/one.bin", path="one.bin", size=2_500_000, ranges=ranges)
    return Bench(source=source, obj=obj, folder=tmp_path)


async def test_a_point_has_so_many_streams_and_leaves_nothing_behind(tmp_path):
    source = Scripted()
    found = await bench(source, tmp_path).point(Setup(connections=3, part_bytes=1_000_000), seconds=0.2)
    assert source.most == 3
    assert found.bytes > 0
    assert found.seconds >= 0.2
    assert ByteRange(start=2_000_000, stop=2_500_000) in source.asked
    assert list(tmp_path.iterdir()) == []


async def test_where_no_parts_are_served_the_whole_is_read(tmp_path):
    source = Scripted()
    swept = await bench(source, tmp_path, ranges=False).swept(Sweep(connections=(1,), seconds=0.05), lambda _: None)
    assert set(source.asked) == {None}
    assert swept.by_part == ()


async def test_the_sweep_ends_at_what_the_host_allows(tmp_path):
    noted: list[Point] = []
    sweep = Sweep(connections=(1, 2, 4), part_bytes=(1 << 20,), seconds=0.05)
    swept = await bench(Scripted(allowed=2), tmp_path).swept(sweep, noted.append)
    assert [each.setup.connections for each in swept.by_connections] == [1, 2]
    assert [each.setup.verified for each in noted] == [True, True, True, True, False]
    assert swept.verified is noted[-2]
    assert swept.verified.setup.connections == swept.unverified.setup.connections
    assert swept.unverified is noted[-1]


async def test_what_was_served_by_luck_is_not_recommended(tmp_path):
    class Slow(Scripted):
        async def _chunks(self, span, obj):
            for _ in range(len(span) // 1000):
                await anyio.sleep(0.001)
                yield bytes(1000)

    source, noted = Slow(allowed=4), []

    def note(point):
        noted.append(point.setup.connections)
        source.allowed = 2

    sweep = Sweep(connections=(1, 4), part_bytes=(1 << 20,), seconds=0.05)
    obj = RemoteObject(route="http", location="http://host/one.bin", path="one.bin", size=10**12)
    measuring = Bench(source=source, obj=obj, folder=tmp_path)
    swept = await measuring.swept(sweep, lambda point: note(point) if point.setup.connections == 4 else None)
    assert noted == [4]
    assert swept.best.setup.connections == 1


async def test_streams_that_are_released_late_are_waited_for(tmp_path):
    noted: list[Point] = []
    sweep = Sweep(connections=(2,), part_bytes=(1 << 20,), seconds=0.05)
    obj = RemoteObject(route="http", location="http://host/one.bin", path="one.bin", size=10**12)
    await Bench(source=Scripted(allowed=2, late_s=0.1), obj=obj, folder=tmp_path).swept(sweep, noted.append)
    assert [each.setup.connections for each in noted] == [2, 2, 2, 2]


@pytest.mark.parametrize("error", [HostBusy("never", status=503), ConnectionLost("broke")], ids=["busy", "broken"])
async def test_a_host_that_does_not_serve_is_no_measurement(tmp_path, error):
    with pytest.raises(type(error)):
        await bench(Scripted(error=error), tmp_path).swept(Sweep(connections=(1, 2), seconds=0.05), lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_the_disk_is_left_as_it_was(tmp_path):
    assert disk_rate(tmp_path, 0.01) > 0
    assert list(tmp_path.iterdir()) == []


def test_the_machine_is_named_in_one_line():
    said = machine()
    assert "\n" not in said
    assert f"{os.cpu_count()} cores of " in said
    assert platform.release() in said


def test_processes_share_the_connections_and_are_no_more_than_cores():
    best = Setup(connections=4, part_bytes=PART)
    assert [(each.processes, each.connections) for each in shared(best, (2, 4, 8), 4)] == [(2, 4), (4, 4)]
    assert [each.connections for each in shared(Setup(connections=1, part_bytes=PART), (2,), 2)] == [2]
    assert shared(best, (2, 4), 1) == []


async def test_processes_are_tried_until_the_host_refuses(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    asked = []

    async def apart(setup, seconds):
        asked.append((setup.processes, setup.connections, seconds))
        return None if setup.processes > 2 else replace(point(1000), setup=setup)

    noted: list[Point] = []
    measuring = replace(bench(Scripted(), tmp_path), apart=apart)
    swept = await measuring.swept(Sweep(connections=(1,), part_bytes=(), seconds=0.05), noted.append)
    assert asked == [(2, 2, 0.05), (4, 4, 0.05)]
    assert [each.setup.processes for each in swept.by_processes] == [2]
    assert noted[-1] is swept.by_processes[-1]
