"""One run in several processes: the same files, facts and figures as in one, whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.served import MIXED, Archive, Skyhaul, simulated
from support.trees import products, published, wrong

SIX = ("download", "--product-type", "IW_GRDH_1S", "--end", "2024-06-01", "--limit", "6", "--into", "archive")
TWO = ("--processes", "2", "--events", "events.jsonl")
LARGE = ("download", "--product-type", "S2MSI2A", "--online", "--limit", "2", "--into", "archive", *TWO)
LOST_BYTES = 4 * ((1 << 20) + (128 << 10))
"""What an interruption may cost over S3: of each stream what waits to be written, and what is on its way."""

TIMEOUT_S = 30


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


def children(process: subprocess.Popen[str]) -> list[int]:
    """The processes that a process has started."""
    try:
        return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    """Whether a process is there and has not ended: who was started by the dead may be a zombie for a while."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end_s, "it did not come to that"


def told(skyhaul: Skyhaul) -> list[dict]:
    return [json.loads(line) for line in (skyhaul.folder / "events.jsonl").read_text().splitlines()]


def verified(skyhaul: Skyhaul) -> int:
    """How many products the journal has."""
    with sqlite3.connect(skyhaul.folder / "archive/.skyhaul/journal.db") as journal:
        count = journal.execute("SELECT count(*) FROM products WHERE state = 'verified'").fetchone()[0]
    journal.close()
    return count


def test_two_processes_leave_what_one_leaves(archive, skyhaul):
    names = "\n".join(MIXED)
    ran = skyhaul("download", "--from", "-", "--into", "archive", "--json", *TWO, stdin=names)
    assert ran.code == 0, ran.err
    assert sorted(line["name"] for line in ran.lines) == sorted(MIXED)
    events = told(skyhaul)
    kinds = Counter(event["event"] for event in events)
    assert (kinds["RunStarted"], kinds["ProductExpanded"], kinds["ProductFinished"]) == (1, len(MIXED), len(MIXED))
    report = events[-1]["report"]
    assert (report["verified"], report["exit_code"]) == (len(MIXED), 0)
    assert report["fetched"] >= sum(event["bytes"] for event in events if event["event"] == "TransferFinished")
    assert verified(skyhaul) == len(MIXED)
    assert archive.stats()["refused"] == 0
    archive.play()
    again = skyhaul("download", "--from", "-", "--into", "archive", "--json", *TWO, stdin=names)
    assert {line["state"] for line in again.lines} == {"present"}
    assert archive.fetched == 0
    assert skyhaul("download", "--from", "-", "--into", "alone", stdin=names).code == 0
    assert published(skyhaul.folder / "archive") == published(skyhaul.folder / "alone")


@pytest.mark.parametrize("ledger", ["shared", "off"])
@pytest.mark.parametrize("count", ["3", "64"])
def test_together_they_never_open_one_stream_too_many(archive, skyhaul, ledger, count):
    """The archive refuses the fifth."""
    environment = {"SKYHAUL_ACCOUNTS": "off"} if ledger == "off" else {}
    ran = skyhaul(*SIX, "--via", "s3", "--processes", count, "--events", "events.jsonl", **environment)
    assert ran.code == 0, ran.err
    assert archive.stats()["refused"] == 0
    assert "429" not in told(skyhaul)[-1]["report"]["retries"]
    assert len(products(skyhaul.folder / "archive")) == 6


@pytest.mark.parametrize("via", ["s3", "http"])
def test_the_products_of_one_that_is_killed_are_begun_again(paced, large, via):
    with large.begun(*LARGE, "--via", via) as process:
        until(lambda: paced.stats()["bytes_served"] > 4_000_000)
        killed = children(process)
        assert len(killed) == 2
        os.kill(killed[0], signal.SIGKILL)
        _, err = process.communicate(timeout=TIMEOUT_S * 2)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert told(large)[-1]["report"]["retries"]["ProcessLost"] == 1
    assert len(products(large.folder / "archive")) == 2
    assert wrong(large.folder / "archive") == []
    assert verified(large) == 2


def begun_again(large: Skyhaul) -> int:
    """How many products have files under way since the second of two processes was lost."""
    lines = (large.folder / "events.jsonl").read_text().splitlines()
    lost = [number for number, line in enumerate(lines) if '"ProcessLost"' in line]
    after = lines[lost[1] :] if len(lost) > 1 else []
    return len({line.split('"product":"')[1].split('"')[0] for line in after if '"TransferStarted"' in line})


def test_products_that_two_were_killed_with_have_failed_by_name(paced, large):
    with large.begun(*LARGE, "--via", "s3", "--max-rate", "1MB") as process:
        until(lambda: paced.fetched > 8)
        first = children(process)
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        until(lambda: begun_again(large) == 2)
        for pid in set(children(process)) - set(first):
            os.kill(pid, signal.SIGKILL)
        _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1, err
    report = told(large)[-1]["report"]
    assert (report["failed"], report["pending"]) == (2, 0)
    assert {failure["kind"] for failure in report["failures"]} == {"ProcessLost"}
    assert all(failure["name"] in err for failure in report["failures"])
    again = large(*LARGE, "--via", "s3")
    assert again.code == 0, again.err
    assert wrong(large.folder / "archive") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_goes_on_where_all_of_them_were(paced, large, number):
    with large.begun(*LARGE, "--via", "s3") as process:
        until(lambda: paced.stats()["bytes_served"] > 12_000_000)
        started = children(process)
        process.send_signal(number)
        _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, err
    assert "interrupted; run again to resume" in err
    assert "Traceback" not in err
    assert not any(map(alive, started))
    again = large(*LARGE, "--via", "s3")
    assert again.code == 0, again.err
    size = sum(map(len, published(large.folder / "archive").values()))
    assert paced.stats()["bytes_served"] <= size + LOST_BYTES
    assert wrong(large.folder / "archive") == []


def test_who_worked_for_a_run_that_was_killed_ends_and_keeps_others_out_until_then(paced, large):
    with large.begun(*LARGE, "--via", "s3") as process:
        until(lambda: paced.stats()["bytes_served"] > 4_000_000)
        started = children(process)
        assert len(started) == 2
        os.kill(started[0], signal.SIGSTOP)  # one is slow to notice
        process.kill()
        process.wait()
    until(lambda: not alive(started[1]))
    early = large(*LARGE, "--via", "s3")
    assert (early.code, early.complaint.partition(";")[0]) == (6, "archive: another skyhaul is working in this folder")
    os.kill(started[0], signal.SIGCONT)
    again = large(*LARGE, "--via", "s3")
    assert again.code == 0, again.err
    assert not alive(started[0])
    size = sum(map(len, published(large.folder / "archive").values()))
    assert paced.stats()["bytes_served"] <= size + LOST_BYTES
    assert wrong(large.folder / "archive") == []


def test_the_first_failure_ends_all_of_them(archive, skyhaul):
    archive.play({"kind": "status", "status": 404, "route": "s3.get", "nth": 3})
    ran = skyhaul(*SIX, "--via", "s3", "--fail-fast", "--json", *TWO)
    assert ran.code == 1
    assert "--fail-fast" in ran.err
    assert [line["state"] for line in ran.lines].count("failed") == 1
    again = skyhaul(*SIX, "--via", "s3", *TWO)
    assert again.code == 0, again.err


def test_a_login_that_is_refused_is_said_once(archive, skyhaul):
    ran = skyhaul(*SIX, "--via", "http", "--processes", "2", CDSE_PASSWORD="not-it-at-all")
    assert ran.code == 5
    assert "CDSE_PASSWORD" in ran.complaint


def test_what_ends_a_run_ends_it_although_it_came_of_the_last_product(archive, skyhaul):
    name = "S1A_IW_GRDH_1SDV_20240401T052345_20240401T052410_053236_067FA6_B56E.SAFE"
    (skyhaul.folder / "archive").mkdir()
    (skyhaul.folder / "archive" / name).write_text("mine")
    ran = skyhaul("download", "--name", name, "--into", "archive", "--via", "s3", "--processes", "2")
    assert ran.code == 6
    assert (skyhaul.folder / "archive" / name).read_text() == "mine"


def test_a_full_disk_ends_the_run_and_room_lets_it_go_on(archive, skyhaul, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system takes more rights than this user has")
    command = ("download", *SIX[1:-1], "disk", *TWO, "--disk-wait", "1s", "--json")
    try:
        ran = skyhaul(*command)
        assert ran.code == 6
        assert "disk full: " in ran.err
        assert "Traceback" not in ran.err
        assert wrong(disk) == []
        subprocess.run(["mount", "-o", "remount,size=32m", disk], check=True)
        again = skyhaul(*command)
        assert again.code == 0, again.err
        assert len(products(disk)) == 6
        assert wrong(disk) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_no_secret_is_on_a_command_line_or_left_behind(paced, large):
    with large.begun(*LARGE, "--via", "s3") as process:
        until(lambda: paced.fetched > 0)
        lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (process.pid, *children(process))]
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert len(lines) == 3
    files = [path.read_bytes() for path in large.folder.rglob("*") if path.is_file()]
    for name in ("CDSE_PASSWORD", "CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY"):
        secret = paced.environment[name].encode()
        assert not [text for text in (*lines, *files, out.encode(), err.encode()) if secret in text]


@pytest.mark.parametrize("ledger", ["shared", "off"])
def test_what_is_on_tape_is_ordered_once_for_all_of_them(archive, skyhaul, ledger):
    query = ("--collection", "SENTINEL-2", "--start", "2024-04-01", "--where", "Online=false", "--format", "names")
    names = skyhaul("search", *query).out.split()[:5]
    archive.play(staging_s=0.3, orders_at_once=2)
    ran = skyhaul(
        *("download", "--provider", "dhus", "--from", "-", "--into", "archive", "--order-wait", "1s", "--json", *TWO),
        stdin="\n".join(names),
        **({"SKYHAUL_ACCOUNTS": "off"} if ledger == "off" else {}),
    )
    assert ran.code == 0, ran.err
    assert {line["name"]: line["state"] for line in ran.lines} == dict.fromkeys(names, "verified")
    assert archive.stats()["ordered"]["dhus"] == len(names)


@pytest.mark.parametrize("value", ["0", "65", "many"])
def test_a_number_of_processes_that_is_none(archive, skyhaul, value):
    ran = skyhaul(*SIX, "--processes", value)
    assert (ran.code, ran.out) == (2, "")
    assert "--processes" in ran.complaint
    assert "auto" in ran.complaint
