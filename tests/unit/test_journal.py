from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from contextlib import closing

import anyio
import pytest
from anyio import to_thread
from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skyhaul import journal as journals
from skyhaul import lock
from skyhaul.errors import DiskFull, JournalError, SinkError
from skyhaul.journal import FOLDER, KnownFile, KnownProduct, joined, opened
from skyhaul.model import ByteRange, Checksum, ProductResult
from skyhaul.pipeline import unwrapped
from skyhaul.status import figures

MD5 = Checksum(algorithm="MD5", value="0" * 32, origin="manifest")


def span(start, stop):
    return ByteRange(start=start, stop=stop)


def result(id_="p1", state="verified", **more):
    return ProductResult(
        id=id_, name=f"{id_}.SAFE", state=state, path=f"{id_}.SAFE", bytes=100, level="manifest", **more
    )


def rows(destination, question):
    """What another process would read."""
    with closing(sqlite3.connect(destination / FOLDER / "journal.db")) as db:
        return db.execute(question).fetchall()


async def committed(destination, question):
    """Rows, once there are any; nothing else asks the journal meanwhile."""
    with anyio.fail_after(10):
        while not (found := await to_thread.run_sync(rows, destination, question)):
            pass
    return found


def damaged(destination, change):
    path = destination / FOLDER / "journal.db"
    body = bytearray(path.read_bytes())
    change(body)
    path.write_bytes(body)


# facts


async def test_facts_are_there_when_the_journal_is_opened_again(tmp_path):
    async with opened(tmp_path) as journal:
        journal.begun("p1", "B04.jp2", size=100, etag="v1")
        journal.span("p1", "B04.jp2", span(0, 10))
        journal.span("p1", "B04.jp2", span(50, 60))
        journal.begun("p1", "B08.jp2", size=None, etag=None)
        journal.whole("p1", "MTD.xml", size=7, etag="v2", checksum=MD5, level="manifest")
        journal.product(result(), "whole")
    async with opened(tmp_path) as journal:
        known = await journal.known("p1")
        assert (known.state, known.wish, known.path, known.files) == ("verified", "whole", "p1.SAFE", [("MTD.xml", 7)])
        assert known.objects == {
            "B04.jp2": KnownFile(size=100, etag="v1", digest=None, level=None, spans=(span(0, 10), span(50, 60))),
            "B08.jp2": KnownFile(size=None, etag=None, digest=None, level=None, spans=()),
            "MTD.xml": KnownFile(size=7, etag="v2", digest=MD5.value, level="manifest", spans=()),
        }
        assert await journal.known("p2") == KnownProduct()


async def test_a_fact_is_seen_by_the_next_question(tmp_path):
    async with opened(tmp_path) as journal:
        journal.begun("p1", "a", size=1, etag=None)
        assert "a" in (await journal.known("p1")).objects
        journal.forget("p1", "a")
        assert (await journal.known("p1")).objects == {}


async def test_a_question_about_a_product_waits_for_its_own_facts_alone(tmp_path):
    async with opened(tmp_path) as journal:
        journal.begun("p1", "a", size=1, etag=None)
        assert await journal.known("p2") == KnownProduct()
        assert rows(tmp_path, "SELECT count(*) FROM files") == [(0,)]
        assert (await journal.known("p1")).objects
        assert rows(tmp_path, "SELECT count(*) FROM files") == [(1,)]


async def test_a_question_does_not_overtake_facts_that_wait_for_their_disk(tmp_path):
    answers, room = [], anyio.Event()

    async def once_there_is_room(commit):
        await room.wait()
        await commit()

    async with opened(tmp_path) as journal, anyio.create_task_group() as tasks:
        journal.insist = once_there_is_room
        journal.begun("p1", "a", size=1, etag=None)
        tasks.start_soon(journal.flush)
        await anyio.wait_all_tasks_blocked()

        async def ask():
            answers.append(await journal.known("p1"))

        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert not answers
        assert await journal.known("p2") == KnownProduct(), "nothing of it is under way"
        room.set()
    assert answers[0].objects


async def test_a_stream_that_grows_is_one_span(tmp_path):
    async with opened(tmp_path) as journal:
        journal.begun("p1", "a", size=100, etag="v1")
        for stop in (10, 20, 30):
            journal.span("p1", "a", span(0, stop))
        assert (await journal.known("p1")).objects["a"].spans == (span(0, 30),)


async def test_another_version_has_no_spans(tmp_path):
    async with opened(tmp_path) as journal:
        journal.begun("p1", "a", size=100, etag="v1")
        journal.span("p1", "a", span(0, 10))
        journal.begun("p1", "a", size=100, etag="v2")
        assert (await journal.known("p1")).objects["a"] == KnownFile(
            size=100, etag="v2", digest=None, level=None, spans=()
        )


async def test_a_file_that_is_whole_has_no_spans(tmp_path):
    async with opened(tmp_path) as journal:
        journal.begun("p1", "a", size=100, etag="v1")
        journal.span("p1", "a", span(0, 100))
        journal.whole("p1", "a", size=100, etag="v1", checksum=None, level="length")
        assert rows(tmp_path, "SELECT * FROM spans") == []
        assert (await journal.known("p1")).objects["a"].level == "length"


PATHS = st.sampled_from(["a", "b"])
SPANS = st.tuples(st.integers(0, 5), st.integers(6, 9))
FACTS = st.one_of(
    st.tuples(st.just("begun"), PATHS, st.sampled_from(["v1", "v2"])),
    st.tuples(st.just("span"), PATHS, SPANS),
    st.tuples(st.just("whole"), PATHS, st.just("v1")),
    st.tuples(st.just("forget"), PATHS, st.none()),
)


def expected(facts):
    """What the journal has to know after these facts, by path: etag, level, spans."""
    files, spans = {}, {"a": {}, "b": {}}
    for fact, path, value in facts:
        if fact == "span":
            spans[path][value[0]] = value[1]
            continue
        spans[path] = {}
        files.pop(path, None)
        if fact != "forget":
            files[path] = (value, "manifest" if fact == "whole" else None)
    return {path: (*known, dict(sorted(spans[path].items()))) for path, known in files.items()}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(FACTS, max_size=12), min_size=1, max_size=3))
async def test_whatever_is_told_over_however_many_runs_is_what_is_known(tmp_path_factory, runs):
    destination = tmp_path_factory.mktemp("any")
    for number, run in enumerate(runs, 1):
        async with opened(destination) as journal:
            for fact, path, value in run:
                match fact:
                    case "begun":
                        journal.begun("p1", path, size=100, etag=value)
                    case "span":
                        journal.span("p1", path, span(*value))
                    case "whole":
                        journal.whole("p1", path, size=100, etag=value, checksum=MD5, level="manifest")
                    case "forget":
                        journal.forget("p1", path)
            known = (await journal.known("p1")).objects
        assert {
            path: (file.etag, file.level, {each.start: each.stop for each in file.spans})
            for path, file in known.items()
        } == expected([fact for each in runs[:number] for fact in each])
    shutil.rmtree(destination)


# commits


async def test_facts_are_committed_without_being_asked_for(tmp_path):
    async with opened(tmp_path) as journal:
        journal.begun("p1", "a", size=100, etag="v1")
        assert await committed(tmp_path, "SELECT path FROM files") == [("a",)]


async def test_facts_are_still_committed_after_a_question(tmp_path):
    async with opened(tmp_path) as journal:
        await anyio.wait_all_tasks_blocked()
        await journal.known("p1")
        await anyio.wait_all_tasks_blocked()
        journal.begun("p1", "a", size=100, etag="v1")
        assert await committed(tmp_path, "SELECT path FROM files") == [("a",)]


async def test_a_span_takes_along_what_could_have_waited(tmp_path, monkeypatch):
    """Nothing but its fact tells which bytes of a file are there; a file that is whole can be verified again."""
    monkeypatch.setattr(journals, "GATHER_S", 3600.0)
    async with opened(tmp_path) as journal:
        journal.whole("p1", "a", size=100, etag="v1", checksum=None, level="length")
        await anyio.wait_all_tasks_blocked()
        assert await to_thread.run_sync(rows, tmp_path, "SELECT path FROM files") == []
        journal.span("p1", "b", span(0, 10))
        assert await committed(tmp_path, "SELECT path FROM spans") == [("b",)]
        assert await committed(tmp_path, "SELECT path FROM files") == [("a",)]


async def test_facts_that_wait_are_committed_together(tmp_path, monkeypatch):
    batches = []
    commit = journals.Journal._commit
    monkeypatch.setattr(
        journals.Journal, "_commit", lambda self, batch: (batches.append(len(batch)), commit(self, batch))
    )
    async with opened(tmp_path) as journal:
        for stop in range(1, 5001):
            journal.span("p1", "a", span(0, stop))
    assert batches == [5000]
    assert rows(tmp_path, "SELECT stop FROM spans") == [(5000,)]


@pytest.mark.parametrize("turns", range(8))
async def test_facts_are_kept_when_the_run_is_cancelled(tmp_path, turns):
    """However far the writer has come with them."""
    with anyio.CancelScope() as scope:
        async with opened(tmp_path) as journal:
            await anyio.wait_all_tasks_blocked()
            journal.begun("p1", "a", size=100, etag="v1")
            for _ in range(turns):
                await checkpoint()
            scope.cancel()
            await anyio.sleep_forever()
    assert rows(tmp_path, "SELECT path FROM files") == [("a",)]


async def run_that(destination, ends):
    """A run that begins an object and then meets its end."""
    async with opened(destination) as journal:
        await ends(journal)
        for number in range(5000):
            journal.begun(f"product {number}", "a", size=100, etag="v1")
        await anyio.sleep_forever()


async def test_what_went_wrong_in_the_run_comes_out_as_itself(tmp_path):
    async def ends(journal):
        journal.begun("p1", "a", size=100, etag="v1")
        raise SinkError("read-only")

    with pytest.raises(SinkError, match="read-only"), unwrapped():
        await run_that(tmp_path, ends)
    assert rows(tmp_path, "SELECT path FROM files") == [("a",)]


async def test_a_full_disk_ends_the_run(tmp_path):
    async def ends(journal):
        await to_thread.run_sync(journal._connection.execute, "PRAGMA max_page_count = 14")

    with pytest.raises(DiskFull, match=r"journal\.db: no space left"), unwrapped():
        await run_that(tmp_path, ends)


async def test_a_journal_that_becomes_unreadable_ends_the_run(tmp_path):
    async def ends(journal):
        await to_thread.run_sync(journal._connection.execute, "DROP TABLE files")

    with pytest.raises(JournalError, match="cannot be used"), unwrapped():
        await run_that(tmp_path, ends)


# opening


async def test_a_journal_of_a_newer_version_is_left_alone(tmp_path):
    async with opened(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / FOLDER / "journal.db")) as db:
        db.execute("PRAGMA user_version = 99")
    before = (tmp_path / FOLDER / "journal.db").read_bytes()
    with pytest.raises(JournalError, match=r"written by a newer skyhaul \(schema 99, this one knows 1\)"):
        async with opened(tmp_path):
            pytest.fail("not opened")
    assert (tmp_path / FOLDER / "journal.db").read_bytes() == before


DAMAGE = {
    "no database": lambda body: body.__setitem__(slice(0, 16), b"not a database!!"),
    "cut": lambda body: body.__delitem__(slice(5000, None)),
    "overwritten": lambda body: body.__setitem__(slice(4096, None), bytes(len(body) - 4096)),
}


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
async def test_a_damaged_journal_says_what_to_do(tmp_path, change):
    async with opened(tmp_path) as journal:
        for number in range(100):
            journal.product(result(f"p{number}"), "whole")
    damaged(tmp_path, change)

    async def ask(journal):
        for number in range(100):
            await journal.known(f"p{number}")

    with pytest.raises(JournalError, match=r"journal\.db: the journal cannot be used .*move it away"), unwrapped():
        await run_that(tmp_path, ask)
    if change is not DAMAGE["overwritten"]:
        with pytest.raises(JournalError, match="cannot be used"):
            await to_thread.run_sync(figures, tmp_path)


async def test_somebody_elses_database_is_not_taken_for_ours(tmp_path):
    (tmp_path / FOLDER).mkdir()
    with closing(sqlite3.connect(tmp_path / FOLDER / "journal.db")) as db:
        db.execute("CREATE TABLE runs (x)")
    with pytest.raises(JournalError, match="cannot be used"):
        async with opened(tmp_path):
            pytest.fail("not opened")


async def test_a_destination_that_takes_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SinkError, match="file"):
        async with opened(tmp_path / "file"):
            pytest.fail("not opened")


async def test_two_at_once_in_one_folder_are_one_too_many(tmp_path):
    async with opened(tmp_path):
        with pytest.raises(SinkError, match="another skyhaul is working in this folder"):
            async with opened(tmp_path):
                pytest.fail("not opened")
    async with opened(tmp_path):
        pass


HOLD = """
import anyio, pathlib, sys
from skyhaul.journal import opened

async def main():
    async with opened(pathlib.Path(sys.argv[1])):
        print("open", flush=True)
        sys.stdin.read()

anyio.run(main)
"""


async def test_two_processes_in_one_folder_are_one_too_many(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    async with await anyio.open_process(
        command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ) as process:
        assert (await process.stdout.receive()).startswith(b"open")
        with pytest.raises(SinkError, match=f"{tmp_path}: another skyhaul"):
            async with opened(tmp_path):
                pytest.fail("not opened")
        process.kill()
        await process.wait()
    async with opened(tmp_path):
        pass


async def test_a_folder_whose_processes_are_just_ending_is_waited_for(tmp_path, monkeypatch):
    held = await to_thread.run_sync(lock.locked, tmp_path / FOLDER)
    monkeypatch.setattr(journals.time, "sleep", lambda _: os.close(held))
    async with opened(tmp_path):
        pass


async def test_those_who_work_together_note_their_facts_side_by_side(tmp_path):
    async with opened(tmp_path) as ours, joined(tmp_path, ours.lock_fd) as theirs:
        for number in range(50):
            (ours, theirs)[number % 2].product(result(f"p{number}"), "whole")
            await (theirs, ours)[number % 3 % 2].flush()
        await theirs.flush()
        assert await ours.known("p49") == await theirs.known("p49") != KnownProduct()
        assert rows(tmp_path, "SELECT count(*) FROM products") == [(50,)]


async def test_a_file_system_without_locks_is_used_all_the_same(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    async with opened(tmp_path) as journal:
        assert await journal.known("p1") == KnownProduct()
