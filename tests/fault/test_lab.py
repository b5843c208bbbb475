"""The fault lab in short: some of its points for each way to break a transfer. ``python tests/lab/run.py`` takes all of them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator

import pytest

from lab.bench import Bench, Found, opened
from lab.shim import STRIKES
from lab.wire import played, storms

KILLS = 8
STORMS = 3
ROUTES = ("zip", "many", "large", "unvouched")
ERRORS = [how for how in STRIKES if how != "kill"]


@pytest.fixture(scope="module")
def benches(tmp_path_factory) -> Iterator[dict[str, Bench]]:
    with opened(tmp_path_factory.mktemp("lab"), ROUTES) as made:
        yield made


@pytest.fixture(params=ROUTES)
def bench(request, benches) -> Bench:
    chosen: Bench = benches[request.param]
    return chosen


def spread(events: int, points: int) -> range:
    """Some of the events, in every run the same, from the first to near the last."""
    return range(1, events + 1, max(1, events // points))


def check(found: list[Found]) -> None:
    assert [f"{each.how} {each.nth} ({each.struck}): {each.complaints}" for each in found if each.complaints] == []
    assert any(each.struck for each in found)


def test_a_transfer_killed_at_its_nth_event(bench):
    check([bench.strike("kill", nth) for nth in spread(bench.events("kill"), KILLS)])


@pytest.mark.parametrize("how", ERRORS)
@pytest.mark.parametrize("name", ["zip", "many", "large"])
def test_a_transfer_that_is_refused_its_nth_event(benches, name, how):
    events = benches[name].events(how)
    check([benches[name].strike(how, max(1, events * (ERRORS.index(how) + 1) // (len(ERRORS) + 2)))])


def test_a_transfer_that_the_archive_breaks(bench):
    every = list(storms(bench))
    check([played(bench, every[number - 1]) for number in spread(len(every), STORMS)])


def test_the_lab_sees_what_is_wrong(benches):
    """What it is there to find is found, when it is put there."""
    bench = benches["many"]
    found = bench.strike("kill", bench.events("kill"))
    assert found.complaints == []
    into = bench.skyhaul.folder / "doctored"
    first, second, *_ = sorted(bench.truth)
    for path, body in bench.truth.items():
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        (into / path).write_bytes(body)
    assert bench.incomplete(into) == []
    (into / first).write_bytes(bench.truth[first][:-1])
    assert bench.incomplete(into) == [f"{first} lay there incomplete"]
    (into / first).write_bytes(bench.truth[first])
    (into / second).unlink()
    assert bench.incomplete(into) == [f"{second} lay there incomplete"]
    shutil.rmtree(into)


def test_the_lab_reads_the_journal(benches):
    bench = benches["large"]
    into = bench.skyhaul.folder / "told"
    assert bench.run(into).code == 0
    assert bench.wrong(into) == []
    with sqlite3.connect(into / ".skyhaul/journal.db") as journal:
        journal.execute("UPDATE files SET size = size + 1")
    assert len(bench.wrong(into)) == 1
    with sqlite3.connect(into / ".skyhaul/journal.db") as journal:
        journal.execute("UPDATE files SET size = size - 1")
        journal.execute("UPDATE products SET state = 'failed'")
    journal.close()
    assert len(bench.wrong(into)) == 1
    shutil.rmtree(into)
