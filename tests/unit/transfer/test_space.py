from __future__ import annotations

import pytest

from skyhaul.errors import DiskFull
from skyhaul.events import DiskPaused, DiskResumed
from skyhaul.transfer import space
from skyhaul.transfer.space import SPARE_BYTES, Space


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
    disk.free = [999, 999, SPARE_BYTES * 2, 2000]
    await Space(tmp_path, patience_s=60.0, emit=lambda _: None).check(1000)
    with pytest.raises(DiskFull, match="5000 bytes are needed for the next product, 2000 are free"):
        await Space(tmp_path, patience_s=0.0, emit=pytest.fail).check(5000)
