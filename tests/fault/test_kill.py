"""Killed, interrupted, started twice: what is on disk is right at every moment, and the next run goes on from there."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from glob import glob
from shutil import rmtree

import pytest

from support.served import Archive, Ran, Skyhaul, simulated
from support.trees import products, published, wrong

SIX = ("--product-type", "IW_GRDH_1S", "--end", "2024-06-01", "--limit", "6")
KILLS = 12
LOST_BYTES = 4 * ((1 << 20) + (128 << 10))
"""What an interruption may cost over S3: of each stream what waits to be written, and what is on its way."""


@pytest.fixture(scope="module")
def paced() -> Iterator[Archive]:
    """Two large products that come slowly enough to be caught in the middle of a file."""
    world = ("--products", "8", "--tree-bytes", "20000000", "--no-oddities")
    with simulated(
        *world, "--set", "bytes_per_s_per_connection=6000000", "--set", "s3_requests_per_minute=null"
    ) as archive:
        yield archive


@pytest.fixture
def large(paced: Archive, tmp_path) -> Skyhaul:
    paced.play()
    return Skyhaul(tmp_path, paced.environment)


def running_until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> bool:
    """Whether ``condition`` came true while the process ran."""
    while process.poll() is None:
        if condition():
            return True
    return False


def ended(process: subprocess.Popen[str]) -> Ran:
    out, err = process.communicate(timeout=30)
    return Ran(code=process.returncode, out=out, err=err)


@pytest.mark.parametrize("via", ["s3", "http"])
def test_killed_again_and_again(archive, skyhaul, via):
    command = ("download", *SIX, "--into", "archive", "--via", via, "--connections", "2", "--max-rate", "4MB")
    folder = skyhaul.folder / "archive"
    listed = "s3.list" if via == "s3" else "token"
    early = [
        lambda: archive.asked("catalogue.products") > 0,
        lambda: archive.asked(listed) > 0,
        lambda: archive.fetched > 0,
        lambda: bool(glob(f"{folder}/.skyhaul/incoming/**/*.part", recursive=True)),
    ]
    kills = 0
    for kill in range(KILLS):
        archive.play()
        there = len(glob(f"{folder}/*.SAFE"))
        step = 60_000 * (kill % 5)
        late = [
            lambda there=there: len(glob(f"{folder}/*.SAFE")) > there,
            lambda step=step: archive.stats()["bytes_served"] > step,
        ]
        with skyhaul.begun(*command) as process:
            caught = running_until(process, early[kill] if kill < len(early) else late[kill % 2])
            process.kill()
        assert wrong(folder) == []
        kills += caught
        if not caught:  # what is kept makes later runs short: this one had come to its end
            rmtree(folder)
    assert kills >= KILLS - 4
    last = skyhaul(*command)
    assert last.code == 0, last.err
    assert wrong(folder) == []
    assert len(products(folder)) == 6
    assert skyhaul("download", *SIX, "--into", "undisturbed", "--via", "http").code == 0
    assert published(folder) == published(skyhaul.folder / "undisturbed")
    assert list(folder.glob(".skyhaul/incoming/*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so_and_goes_on_where_it_was(paced, large, number):
    command = ("download", "--product-type", "S2MSI2A", "--online", "--limit", "1", "--into", "archive", "--via", "s3")
    folder = large.folder / "archive"
    with large.begun(*command) as process:
        assert running_until(process, lambda: paced.stats()["bytes_served"] > 8_000_000)
        process.send_signal(number)
        stopped = ended(process)
    assert stopped.code == 130
    assert "interrupted; run again to resume" in stopped.out + stopped.err
    assert "Traceback" not in stopped.err
    assert products(folder) == []
    again = large(*command)
    assert again.code == 0, again.err
    assert wrong(folder) == []
    (_,) = products(folder)
    size = sum(map(len, published(folder).values()))
    assert paced.stats()["bytes_served"] <= size + LOST_BYTES
    (figures,) = large("status", "archive", "--json").lines
    assert figures["last_run"]["exit_code"] == 0


def test_a_search_is_interrupted_at_once(archive, skyhaul):
    archive.play({"kind": "silence", "route": "catalogue.products"})
    with skyhaul.begun("search", "--tile", "32TQR") as process:
        assert running_until(process, lambda: archive.asked("catalogue.products") > 0)
        process.send_signal(signal.SIGINT)
        stopped = ended(process)
    assert (stopped.code, stopped.complaint) == (130, "interrupted")


def test_two_in_one_folder(paced, large):
    command = ("download", "--product-type", "S2MSI2A", "--online", "--limit", "1", "--into", "archive", "--via", "s3")
    with large.begun(*command, "--max-rate", "20kB") as first:
        assert running_until(first, lambda: paced.fetched > 0)
        second = large(*command)
        assert first.poll() is None
        assert (second.code, second.out) == (6, "")
        assert (
            second.complaint == "archive: another skyhaul is working in this folder; wait for it, or use another --into"
        )
        (figures,) = large("status", "archive", "--json").lines  # looking is allowed
        assert figures["last_run"]["ended_s"] is None
        first.send_signal(signal.SIGINT)
        assert ended(first).code == 130
    assert wrong(large.folder / "archive") == []
