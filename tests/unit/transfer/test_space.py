from __future__ import annotations

from dataclasses import replace

import anyio
import pytest
from anyio.lowlevel import checkpoint

from skyhaul.errors import DiskFull
from skyhaul.events import DiskPaused, DiskResumed
from skyhaul.journal import KnownFile
from skyhaul.model import ByteRange, RemoteObject
from skyhaul.transfer import space
from skyhaul.transfer.space import SPARE_BYTES, Space, room_bytes


class Disk:
    """A disk whose free space is what a list says, one look after the other; the last holds."""

    def __init__(self, *free):
        self.free = list(free)
        self.looks = 0

    def look(self, _folder):
        self.looks += 1
        return self.free[min(self.looks, len(self.free)) - 1]


@pytest.fixture
def disk(monkeypatch):
    disk = Disk(0)
    monkeypatch.setattr(space, "free_bytes", disk.look)
    monkeypatch.setattr(space, "LOOK_S", 0.001)
    return disk


def failing(times):
    left = times

    async def work():
        nonlocal left
        left -= 1
        if left >= 0:
            raise DiskFull("full")
        return "done"

    return work


async def test_nothing_is_asked_of_a_disk_that_takes_everything(disk, tmp_path):
    assert await Space(tmp_path, patience_s=1.0, emit=pytest.fail).insist(failing(0)) == "done"
    assert disk.looks == 0


async def test_work_goes_on_when_space_returns(disk, tmp_path):
    told = []
    disk.free = [10, 10, SPARE_BYTES, SPARE_BYTES + 500]
    assert await Space(tmp_path, patience_s=60.0, emit=told.append).insist(failing(1), 500) == "done"
    paused, resumed = told
    assert isinstance(paused, DiskPaused)
    assert isinstance(resumed, DiskResumed)
    assert (paused.free_bytes, paused.needed_bytes) == (10, SPARE_BYTES + 500)
    assert disk.looks == 4


async def test_patience_ends(disk, tmp_path):
    told = []
    with pytest.raises(DiskFull, match="full"):
        await Space(tmp_path, patience_s=0.02, emit=told.append).insist(failing(99))
    assert [type(event) for event in told] == [DiskPaused]


async def test_no_patience_is_no_pause(disk, tmp_path):
    with pytest.raises(DiskFull):
        await Space(tmp_path, patience_s=0.0, emit=pytest.fail).insist(failing(99))


async def test_a_quota_under_free_space_ends_too(disk, tmp_path):
    disk.free = [1 << 50]
    with pytest.raises(DiskFull):
        await Space(tmp_path, patience_s=0.05, emit=lambda _: None).insist(failing(100_000))


async def test_what_does_not_fit_is_not_begun(disk, tmp_path):
    disk.free = [999, 999, 999, SPARE_BYTES * 2, 2000]
    await Space(tmp_path, patience_s=60.0, emit=lambda _: None).reserve("a", 1000)
    with pytest.raises(DiskFull, match="5000 bytes are needed for the next product, 2000 are free"):
        await Space(tmp_path, patience_s=0.0, emit=pytest.fail).reserve("b", 5000)


async def test_what_others_have_reserved_is_not_given_away_twice(disk, tmp_path):
    disk.free = [1000]
    space = Space(tmp_path, patience_s=0.0, emit=pytest.fail)
    begun = []

    async def begin(product):
        await space.reserve(product, 400)
        begun.append(product)

    async with anyio.create_task_group() as tasks:
        for product in "abc":
            tasks.start_soon(begin, product)
        while len(begun) < 2:
            await checkpoint()
        for _ in range(50):
            await checkpoint()
        assert len(begun) == 2
        space.release(begun[0])
    assert sorted(begun) == ["a", "b", "c"]


async def test_who_is_refused_has_nothing_reserved(disk, tmp_path):
    disk.free = [1000]
    space = Space(tmp_path, patience_s=0.0, emit=pytest.fail)
    with pytest.raises(DiskFull):
        await space.reserve("large", 1001)
    with anyio.fail_after(5):
        await space.reserve("small", 1000)


ZIP = RemoteObject(route="http", location="https://download/1", path="P.zip", archive=True, ranges=False)
FILES = [RemoteObject(route="s3", location=f"https://s3/{size}", path=f"{size}.jp2", size=size) for size in (30, 70)]


@pytest.mark.parametrize(
    ("objects", "known", "extract", "room"),
    [
        ([ZIP], [], True, 200),  # the archive says nothing of its size, the catalogue does
        ([ZIP], [], False, 100),
        ([replace(ZIP, path="P.nc")], [], True, 100),
        (FILES, [], True, 100),
        (FILES, [KnownFile(size=30, etag="", digest="", level="etag", spans=())], True, 70),
        (
            FILES,
            [KnownFile(size=70, etag="", digest=None, level=None, spans=(ByteRange(start=20, stop=60),))],
            True,
            60,
        ),
    ],
)
def test_the_room_that_a_product_takes(objects, known, extract, room):
    assert room_bytes(objects, 100, known, extract=extract) == room
