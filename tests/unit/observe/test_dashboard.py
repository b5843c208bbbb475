from __future__ import annotations

import io
from typing import Any

import anyio
import pyte
import pytest
from rich.console import Console
from rich.live import Live

from skyhaul.events import Meter, ObserverFailed, RunFinished, RunStarted
from skyhaul.model import Report
from skyhaul.observe.bus import Bus
from skyhaul.observe.dashboard import Dashboard, Picture, _draw, _Terminal
from support.told import GB, NAME, Told

pytestmark = pytest.mark.anyio

SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


class Tty(io.StringIO):
    """A terminal of a given size that remembers what it shows."""

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        super().__init__()
        self.screen = pyte.HistoryScreen(columns, lines, history=1000)
        self._stream = pyte.Stream(self.screen)

    def write(self, words: str) -> int:
        self._stream.feed(words.replace("\n", "\r\n"))
        return super().write(words)

    def isatty(self) -> bool:
        return True

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)

    @property
    def rows(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]


def console_on(tty: Tty) -> Console:
    return Console(
        file=tty, force_terminal=True, width=tty.screen.columns, height=tty.screen.lines, legacy_windows=False
    )


STARTED = RunStarted(provider="cdse", title="cdse  SENTINEL-2", destination="/data", connections=4, bytes_per_s=20e6)


async def test_it_draws_and_gives_the_terminal_back_when_cancelled() -> None:
    tty, bus = Tty(), Bus()
    dashboard = Dashboard(bus, Meter(), console=console_on(tty))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(dashboard.run)
        while "skyhaul" not in tty.getvalue():
            await anyio.lowlevel.checkpoint()
        bus.emit(STARTED)
        tasks.cancel_scope.cancel()
    written = tty.getvalue()
    assert written.count(HIDE_CURSOR) == 1
    assert written.rindex(SHOW_CURSOR) > written.rindex(HIDE_CURSOR)
    assert any("cdse  SENTINEL-2" in row for row in tty.rows)  # the last picture knows what came last


async def test_it_ends_with_the_bus_and_leaves_the_last_picture() -> None:
    tty, bus = Tty(), Bus()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Dashboard(bus, Meter(), console=console_on(tty)).run)
        await anyio.lowlevel.checkpoint()
        bus.emit(STARTED)
        bus.emit(RunFinished(report=Report()))
        bus.close()
    assert "ended" in tty.rows[0]
    assert tty.getvalue().endswith(SHOW_CURSOR)


async def test_a_terminal_that_has_gone_ends_only_the_dashboard() -> None:
    class Gone(Tty):
        def write(self, words: str) -> int:
            raise OSError(5, "Input/output error")

    bus = Bus()
    await Dashboard(bus, Meter(), console=console_on(Gone())).run()
    assert bus.state.notices == (
        ObserverFailed(at_s=bus.state.notices[0].at_s, observer="dashboard", error="[Errno 5] Input/output error"),
    )


def test_a_broken_pipe_does_not_end_the_program() -> None:
    class Broken(Tty):
        def write(self, words: str) -> int:
            raise BrokenPipeError

    terminal = _Terminal(file=Broken(), force_terminal=True)
    with pytest.raises(BrokenPipeError):
        terminal.print("anything")


async def test_where_there_is_no_terminal_only_the_last_picture_is_printed() -> None:
    out, bus = io.StringIO(), Bus()
    bus.close()
    await Dashboard(bus, Meter(), console=Console(file=out, width=80, height=24)).run()
    assert out.getvalue().count("skyhaul") == 1
    assert "\x1b" not in out.getvalue()


def drawn(told: Told, tty: Tty) -> tuple[Live, Picture]:
    told.start()
    told.find(100)
    told.read_catalogue(100)
    for product in range(4):
        told.begin(product)
    picture = Picture(told.watch.look())
    live = Live(picture, console=console_on(tty), auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    return live, picture


def test_nothing_scrolls_however_often_it_is_drawn(told: Told) -> None:
    tty = Tty()
    live, picture = drawn(told, tty)
    with live:
        for _ in range(50):
            picture.view = told.let_pass(0.25, 80e6)
            _draw(live, picture)
        assert sum("skyhaul" in row for row in tty.rows) == 1
        assert not tty.screen.history.top


@pytest.mark.parametrize("size", [(60, 15), (110, 32), (79, 24)], ids=str)
def test_a_resized_terminal_shows_one_whole_picture(told: Told, size: tuple[int, int]) -> None:
    tty = Tty()
    live, picture = drawn(told, tty)
    with live:
        _draw(live, picture)
        tty.resize(*size)
        live.console.size = size  # type: ignore[assignment]  # a console takes any two numbers
        for _ in range(3):
            picture.view = told.let_pass(0.25, 80e6)
            _draw(live, picture)
        assert "skyhaul" in tty.rows[0]
        assert sum("skyhaul" in row for row in tty.rows) == 1
        assert sum(row.startswith(" rate") for row in tty.rows) == 1


def test_no_color_is_honoured(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    tty = Tty()
    live, picture = drawn(told, tty)
    with live:
        told.end(99, "failed", kind="ObjectMissing", error="gone", size=GB)
        picture.view = told.let_pass(0.25, 80e6)
        _draw(live, picture)
        colours: set[Any] = {cell.fg for line in tty.screen.buffer.values() for cell in line.values()}
        assert colours == {"default"}
        assert "fetching, 1 failed" in tty.rows[0]  # told in words too
    assert NAME[:30] in tty.getvalue()
