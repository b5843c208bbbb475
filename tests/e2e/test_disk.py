"""Destinations that are full, read-only or no folders."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    command = ("download", *THREE, "--into", "disk", "--via", via, "--connections", "1", "--json")
    ran = skyhaul(*command)
    assert ran.code == 6
    assert "Traceback" not in ran.err
    assert "no space left on device" in ran.err.lower()
    assert wrong(small_disk) == []
    done = len(products(small_disk))
    assert done < 3
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    again = skyhaul(*command)
    assert again.code == 0, again.err
    assert [line["state"] for line in again.lines].count("present") == done
    assert len(products(small_disk)) == 3
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
