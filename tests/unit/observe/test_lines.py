from __future__ import annotations

import io
import json
import os
from pathlib import Path

import anyio
import pytest

from skyhaul.events import Meter, ObserverFailed, ProductFinished, ProductFound, RunFinished
from skyhaul.model import ProductResult, Report
from skyhaul.observe import lines
from skyhaul.observe.bus import Bus
from skyhaul.observe.lines import JsonLines, LogLines, event_json

pytestmark = pytest.mark.anyio

FULL = Path("/dev/full")


def finished(name: str, state: str = "verified") -> ProductFinished:
    result = ProductResult(
        id=name, name=name, state=state, bytes=10**9, seconds=57.0, level="blake3", kind="K", error="e"
    )  # type: ignore[arg-type]  # a state
    return ProductFinished(at_s=0.0, result=result)


def found(name: str) -> ProductFound:
    return ProductFound(at_s=1.5, product=name, name=name, size=7)


def told(path: Path) -> list[str]:
    return [json.loads(line)["name"] for line in path.read_text().splitlines()]


async def test_the_log_has_a_line_for_what_matters_and_none_for_the_rest() -> None:
    out, bus = io.StringIO(), Bus()
    log = LogLines(bus, Meter(), out)
    bus.emit(found("a"))
    bus.emit(finished("A.SAFE"))
    bus.emit(finished("B.SAFE", "present"))
    bus.close()
    await log.run()
    (line,) = out.getvalue().splitlines()
    assert line.endswith("verified A.SAFE  1.0 GB in 57 s  blake3")


async def test_the_log_gets_the_figures_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "FIGURES_S", -1.0)  # they are due already
    out, bus = io.StringIO(), Bus()
    log = LogLines(bus, Meter(), out)
    bus.close()
    await log.run()
    assert "held back by the catalogue" in out.getvalue()


async def test_what_was_told_before_a_cancellation_is_written() -> None:
    out, bus = io.StringIO(), Bus()
    log = LogLines(bus, Meter(), out)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log.run)
        await anyio.lowlevel.checkpoint()
        bus.emit(RunFinished(report=Report(exit_code=130)))
        tasks.cancel_scope.cancel()
    assert "exit 130: interrupted" in out.getvalue()


async def test_a_log_that_nobody_reads_ends_alone() -> None:
    class Gone(io.StringIO):
        def write(self, words: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    bus = Bus()
    log = LogLines(bus, Meter(), Gone())
    bus.emit(finished("A"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log.run)
    assert [notice.observer for notice in bus.state.notices] == ["log"]
    bus.emit(finished("B"))
    assert bus.state.on_disk == 2


async def test_a_hostile_name_stays_on_its_line() -> None:
    raw, bus = io.BytesIO(), Bus()
    out = io.TextIOWrapper(raw, "latin-1")
    log = LogLines(bus, Meter(), out)
    bus.emit(finished("a\nforged \x1b[2J 北.SAFE"))
    bus.close()
    await log.run()
    assert raw.getvalue().decode("latin-1").count("\n") == 1
    assert b"\x1b" not in raw.getvalue()


async def test_every_event_becomes_one_object_with_its_name(tmp_path: Path) -> None:
    path, bus = tmp_path / "events.jsonl", Bus()
    path.write_text('{"name": "an earlier run"}\n')
    writer = JsonLines(bus, path)
    bus.emit(found("a"))
    bus.emit(finished("b"))
    bus.close()
    await writer.run()
    first, second, third = (json.loads(line) for line in path.read_text().splitlines())
    assert first == {"name": "an earlier run"}
    assert second == {"event": "ProductFound", "at_s": 1.5, "product": "a", "name": "a", "size": 7}
    assert (third["event"], third["result"]["level"]) == ("ProductFinished", "blake3")


async def test_no_event_is_lost_by_a_cancellation(tmp_path: Path) -> None:
    path, bus = tmp_path / "events.jsonl", Bus()
    writer = JsonLines(bus, path)
    bus.emit(found("0"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        while not path.exists():
            await anyio.lowlevel.checkpoint()
        for index in range(1, 5000):
            bus.emit(found(str(index)))
        tasks.cancel_scope.cancel()
    assert told(path) == [str(index) for index in range(5000)]


@pytest.mark.skipif(not FULL.exists(), reason="a device that is always full is a thing of Linux")
async def test_a_full_disk_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "FAILED_REST_S", 0.0)
    bus = Bus()
    writer = JsonLines(bus, FULL)
    for name in "ab":
        bus.emit(found(name))
        await writer._turn()
    bus.close()
    await writer.run()
    (notice,) = bus.state.notices
    assert isinstance(notice, ObserverFailed)
    assert (notice.observer, "No space left" in notice.error) == ("events file", True)


async def test_events_follow_when_the_disk_has_space_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "FAILED_REST_S", 0.0)
    bus = Bus()
    folder = tmp_path / "not there yet"
    writer = JsonLines(bus, folder / "events.jsonl")
    bus.emit(found("a"))
    await writer._turn()
    assert [notice.observer for notice in bus.state.notices] == ["events file"]
    folder.mkdir()
    bus.emit(found("b"))
    bus.close()
    await writer.run()
    names = [json.loads(line)["event"] for line in (folder / "events.jsonl").read_text().splitlines()]
    assert names == ["ProductFound", "ObserverFailed", "ProductFound"]


async def test_half_a_batch_is_taken_back(tmp_path: Path) -> None:
    bus, path = Bus(), tmp_path / "events.jsonl"
    writer = JsonLines(bus, path)
    bus.emit(found("a"))
    await writer._turn()
    whole = path.read_bytes()
    bus.emit(found("b"))
    assert writer._file is not None
    writer._file.close()
    writer._file = _FillsUp(path, room=10)
    await writer._turn()
    assert path.read_bytes() == whole
    writer._file.close()
    assert bus.state.notices


class _FillsUp(io.FileIO):
    """A file on a disk that has ``room`` for so many bytes."""

    def __init__(self, path: Path, room: int) -> None:
        super().__init__(path, "ab")
        self._room = room

    def write(self, data: memoryview) -> int:  # type: ignore[override]  # what the writer passes
        if not self._room:
            raise OSError(28, "No space left on device")
        written = super().write(data[: self._room])
        self._room = 0
        return written


async def test_a_file_that_stays_full_is_given_up_before_memory_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lines, "BACKLOG_MAX", 10)
    bus = Bus()
    writer = JsonLines(bus, tmp_path / "no folder" / "events.jsonl")
    for index in range(11):
        bus.emit(found(str(index)))
    await writer.run()  # ends by itself
    bus.emit(found("more"))
    assert not writer._mailbox.take()


async def test_a_pipe_can_be_an_events_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    bus = Bus()
    writer = JsonLines(bus, pipe)
    bus.emit(found("a"))
    bus.close()
    await writer.run()
    assert json.loads(os.read(reader, 10_000))["name"] == "a"
    os.close(reader)


def test_a_name_that_is_no_text_is_escaped() -> None:
    assert json.loads(event_json(found("caf\udce9")))["name"] == "caf\udce9"
    assert event_json(found("\x1b[2J\n")).count(b"\n") == 1
