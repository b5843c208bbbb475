"""The dashboard: the picture of a run, drawn in place four times a second. Home of ``rich.live``."""

from __future__ import annotations

import sys
import time

import anyio
from anyio import to_thread
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment

from skyhaul.events import Meter, ObserverFailed
from skyhaul.observe.bus import Bus
from skyhaul.observe.frame import ASCII, UNICODE, frame
from skyhaul.observe.watch import View, Watch

INTERVAL_S = 0.25
_LAST_WORDS_S = 5.0


class Dashboard:
    """Draws a bus and a meter on a terminal (standard error unless a ``console`` is given) or in a notebook cell.

    Figures are taken on the event loop, the drawing happens on a thread: a terminal that does not take its text (a stopped
    one, a slow line) holds up nothing. Where the console is no terminal only the last picture is printed.
    """

    def __init__(self, bus: Bus, meter: Meter, *, console: Console | None = None) -> None:
        self._bus = bus
        self._watch = Watch(bus, meter)
        self._console = console or _Terminal(stderr=True)

    async def run(self) -> None:
        """Draw until the bus is closed or this is cancelled; then draw once more and give the terminal back."""
        picture = Picture(self._watch.look())
        live = Live(
            picture,
            console=self._console,
            auto_refresh=False,
            redirect_stdout=sys.stdout.isatty(),  # results in a pipe are none of the terminal's business
            redirect_stderr=sys.stderr.isatty(),
        )
        try:
            await self._draw_all(live, picture)
        except (OSError, ValueError) as error:  # the terminal has gone; ValueError: its stream was closed
            self._bus.emit(ObserverFailed(observer="dashboard", error=str(error)))

    async def _draw_all(self, live: Live, picture: Picture) -> None:
        try:
            await to_thread.run_sync(live.start)
            late_s = 0.0
            while not self._bus.closed.is_set():
                picture.view = self._watch.look(late_s)
                await to_thread.run_sync(_draw, live, picture, abandon_on_cancel=True)
                late_s = await self._pause()
        finally:
            picture.view, picture.last = self._watch.look(), True
            with anyio.move_on_after(_LAST_WORDS_S, shield=True):
                await to_thread.run_sync(live.stop, abandon_on_cancel=True)

    async def _pause(self) -> float:
        """Wait for the next picture; how many seconds too late it comes."""
        asked_s = time.monotonic()
        with anyio.move_on_after(INTERVAL_S):
            await self._bus.closed.wait()
        return max(0.0, time.monotonic() - asked_s - INTERVAL_S)


class _Terminal(Console):
    """A console whose broken pipe is an error like any other; rich would end the program."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError("the terminal does not read any more")


class Picture:
    """What rich is given to draw: the newest view, at whatever size the terminal has by then."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.last = False
        self.drawn_at: tuple[int, int] | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = self.drawn_at = console.size
        glyphs = UNICODE if console.encoding.startswith("utf") else ASCII
        height -= self.last  # a line is kept for what the shell says next
        for index, line in enumerate(frame(self.view, width, height, glyphs, last=self.last)):
            if index:
                yield Segment.line()
            yield from line if glyphs is UNICODE else _encodable(line, console.encoding)


def _draw(live: Live, picture: Picture) -> None:
    if picture.drawn_at not in (None, tuple(live.console.size)) and live.console.is_terminal:
        # The terminal has moved the lines of the last picture, nobody can tell where to: begin on an empty screen.
        live.console.clear()
    live.refresh()


def _encodable(line: list[Segment], encoding: str) -> list[Segment]:
    return [Segment(words.encode(encoding, "replace").decode(encoding), style) for words, style, _ in line]
