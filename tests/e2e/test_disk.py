"""Destinations that are full, read-only or no folders."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from glob import glob
from pathlib import Path

import pytest

from support.served import Skyhaul
from support.trees import products, wrong

THREE = ("--product-type", "IW_GRDH_1S", "--end", "2024-04-30")


def mount(folder: Path, *options: str) -> bool:
    """Whether this user may mount a file system in memory at ``folder``, and has."""
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Room for one product of three, and for the second only without what is beside it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mount(disk, "-o", "size=2m"):
        pytest.skip("mounting a small file system takes more rights than this user has")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("via", ["s3", "http"])
def test_a_disk_that_fills_up(archive, skyhaul, small_disk, via):
    command = ("download", *THREE, "--into", "disk", "--via", via, "--connections", "1", "--json", "--disk-wait", "1s")
    ran = skyhaul(*command)
    assert ran.code == 6
    assert "Traceback" not in ran.err
    assert "bytes are needed for the next product" in ran.complaint
    assert wrong(small_disk) == []
    done = len(products(small_disk))
    assert done < 3
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    again = skyhaul(*command)
    assert again.code == 0, again.err
    assert [line["state"] for line in again.lines].count("present") == done
    assert len(products(small_disk)) == 3
    assert wrong(small_disk) == []


@pytest.mark.parametrize(("via", "size"), [("s3", "2m"), ("http", "3m")])
def test_products_that_do_not_fit_side_by_side_come_one_after_another(archive, skyhaul, small_disk, via, size):
    """Begun all at once they would fill the disk with pieces, and none would be whole."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(small_disk)], check=True)
    ran = skyhaul("download", *THREE, "--into", "disk", "--via", via, "--json", "--disk-wait", "1s")
    assert ran.code == 6
    assert len(products(small_disk)) == 2, ran.err
    assert wrong(small_disk) == []


def test_a_plan_knows_that_the_disk_is_too_small(archive, skyhaul, small_disk):
    plan = skyhaul("plan", *THREE, "--into", "disk", "--json")
    assert plan.code == 6
    (figures,) = plan.lines
    assert not figures["fits"]
    assert figures["disk_free_bytes"] < figures["disk_needed_bytes"]


@pytest.fixture
def read_only(tmp_path) -> Iterator[Path]:
    folder = tmp_path / "fixed"
    folder.mkdir()
    if os.geteuid() == 0:
        if not mount(folder, "-o", "ro"):
            pytest.skip("this superuser may write everywhere, and may not mount a read-only file system")
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
    else:
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


def test_a_destination_that_cannot_be_written_is_found_out_before_anything_is_fetched(archive, skyhaul, read_only):
    ran = skyhaul("download", *THREE, "--into", "fixed")
    assert (ran.code, ran.out) == (6, "")
    assert ran.complaint.startswith("fixed")
    assert archive.asked("") == 0
    ran = skyhaul("download", *THREE, "--into", "fixed/deeper/archive")
    assert ran.code == 6


def test_a_destination_that_is_a_file(archive, skyhaul):
    (skyhaul.folder / "archive").write_text("not a folder")
    ran = skyhaul("download", *THREE, "--into", "archive")
    assert (ran.code, ran.out) == (6, "")
    assert ran.complaint == "archive is a file, where a folder is meant"
    assert skyhaul("download", *THREE, "--into", "archive/below").code == 6
    assert (skyhaul.folder / "archive").read_text() == "not a folder"


def test_a_file_for_events_that_cannot_be_written(archive, skyhaul):
    ran = skyhaul("download", *THREE, "--into", "archive", "--events", "home")
    assert (ran.code, ran.out) == (6, "")
    assert ran.complaint == "home cannot be written (Is a directory)"
    assert archive.asked("") == 0


def test_a_result_file_that_cannot_be_written(archive, skyhaul):
    ran = skyhaul("search", *THREE, "--format", "names", "--output", "home")
    assert (ran.code, ran.out) == (6, "")
    assert ran.complaint == "home is a folder, where a file is meant"
    assert sorted(path.name for path in skyhaul.folder.iterdir()) == ["home"]


def test_a_product_in_whose_place_something_else_lies(archive, skyhaul):
    """A user's own file of the product's name is not overwritten."""
    name = "S1A_IW_GRDH_1SDV_20240401T052345_20240401T052410_053236_067FA6_B56E.SAFE"
    (skyhaul.folder / "archive").mkdir()
    (skyhaul.folder / "archive" / name).write_text("mine")
    ran = skyhaul("download", "--name", name, "--into", "archive", "--via", "s3")
    assert ran.code == 6
    assert (skyhaul.folder / "archive" / name).read_text() == "mine"


SLOWLY = (*THREE, "--into", "disk/archive", "--connections", "2", "--max-rate", "1MB")
GIVEN_UP = {1, 6}
STAGED = 4
"""Files that wait for their product to be whole."""


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A file system of its own, with room for everything."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mount(disk, "-o", "size=30m"):
        pytest.skip("mounting a small file system takes more rights than this user has")
    yield disk
    subprocess.run(["umount", str(disk)], capture_output=True, check=False)


def ended_after(skyhaul: Skyhaul, change: Callable[[], object], *command: str) -> tuple[int, str]:
    """How a download ends under which something happens to its disk once it has written some."""
    incoming = f"{skyhaul.folder}/disk/archive/.skyhaul/incoming"
    with skyhaul.begun(*("download", *command)) as process:
        until = time.monotonic() + 30
        while (
            len(glob(f"{incoming}/**/*.*", recursive=True)) < STAGED
            and time.monotonic() < until
            and process.poll() is None
        ):
            pass
        change()
        try:
            out, err = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:  # it waits for the disk to come back
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert "Traceback" not in err
    assert "internal error" not in err
    return process.returncode, out + err


@pytest.mark.parametrize("via", ["s3", "http"])
def test_a_folder_that_is_moved_away_under_a_run(archive, skyhaul, disk, via):
    """What was staged is gone with it: no product may be made of the rest."""
    code, said = ended_after(skyhaul, lambda: (disk / "archive").rename(disk / "moved"), *SLOWLY, "--via", via)
    assert code in GIVEN_UP | {0, 130}, said
    assert wrong(disk) == []
    again = skyhaul("download", *THREE, "--into", "disk/archive", "--via", via)
    assert again.code == 0, again.err
    assert len(products(disk / "archive")) == 3
    assert wrong(disk) == []


@pytest.mark.parametrize("via", ["s3", "http"])
def test_a_disk_that_is_taken_away(archive, skyhaul, disk, via):
    """What comes after must not fill the disk below it as if nothing had happened."""

    def taken() -> None:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)

    code, said = ended_after(skyhaul, taken, *SLOWLY, "--via", via)
    assert code in GIVEN_UP | {130}, said
    assert products(disk) == []
    assert mount(disk, "-o", "size=30m")
    again = skyhaul("download", *THREE, "--into", "disk/archive", "--via", via)
    assert again.code == 0, again.err
    assert len(products(disk)) == 3
    assert wrong(disk) == []


def filled(hog: Path) -> None:
    """Take what space there is."""
    with suppress(OSError), hog.open("wb", buffering=0) as file:
        for block in (bytes(1 << 20), bytes(1 << 12), b"x"):
            with suppress(OSError):
                while file.write(block):
                    pass


@pytest.mark.parametrize("via", ["s3", "http"])
def test_a_disk_that_somebody_else_fills(archive, skyhaul, disk, via):
    hog = disk / "hog"
    code, said = ended_after(skyhaul, lambda: filled(hog), *SLOWLY, "--via", via, "--disk-wait", "1s")
    assert code == 6, said
    assert "space" in said.lower()
    assert wrong(disk) == []
    hog.unlink()
    again = skyhaul("download", *THREE, "--into", "disk/archive", "--via", via)
    assert again.code == 0, again.err
    assert len(products(disk)) == 3
    assert wrong(disk) == []


@pytest.mark.parametrize("via", ["s3", "http"])
def test_a_disk_that_has_room_again(archive, skyhaul, disk, via):
    """The same run goes on when the space is given back."""
    subprocess.run(["mount", "-o", "remount,size=90m", str(disk)], check=True)
    hog = disk / "hog"

    def filled_for_a_while() -> None:
        filled(hog)
        events = skyhaul.folder / "events.jsonl"
        until = time.monotonic() + 15
        while '"DiskPaused"' not in events.read_text() and time.monotonic() < until:
            pass
        hog.unlink()

    code, said = ended_after(
        skyhaul, filled_for_a_while, *SLOWLY, "--via", via, "--disk-wait", "60s", "--events", "events.jsonl"
    )
    assert code == 0, said
    assert '"DiskPaused"' in (skyhaul.folder / "events.jsonl").read_text()
    assert len(products(disk)) == 3
    assert wrong(disk) == []
