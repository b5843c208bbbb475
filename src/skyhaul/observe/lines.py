"""A run as lines of text, for where there is no terminal, and as JSON Lines, for other programs.

Both write from a thread, in batches; neither holds up a transfer, and what they cannot write ends or delays only themselves.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from io import FileIO
from pathlib import Path
from typing import TextIO

import anyio
import msgspec
from anyio import to_thread

from skyhaul.events import Event, Meter, ObserverFailed
from skyhaul.observe import text
from skyhaul.observe.bus import Bus, Mailbox
from skyhaul.observe.sentences import figures, sentence
from skyhaul.observe.watch import Watch

FIGURES_S = 10.0
"""A log line with the figures is due so often."""

BACKLOG_MAX = 20_000
"""Events that are kept while their file cannot be written; with more to keep the file is given up."""

TURN_S = 0.5
LAST_WORDS_S = 5.0
FAILED_REST_S = 5.0


class LogLines:
    """Writes a plain line for every event that matters and the dashboard's figures every ten seconds."""

    def __init__(self, bus: Bus, meter: Meter, stream: TextIO) -> None:
        self._bus = bus
        self._mailbox = bus.subscribe()
        self._watch = Watch(bus, meter)
        self._stream = stream
        self._lines: list[str] = []
        self._figures_at_s = 0.0

    async def run(self) -> None:
        """Write until the bus is closed or this is cancelled, and then what was told until then.

        A stream that takes no more (its reader has gone) ends it.
        """
        self._figures_at_s = time.monotonic() + FIGURES_S
        try:
            await _turns(self._mailbox, self._turn)
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            self._bus.emit(ObserverFailed(observer="log", error=str(error)))

    async def _turn(self) -> None:
        view = self._watch.look()
        self._lines += [
            f"{_stamp(event.at_s)}  {words}" for event in self._mailbox.take() if (words := sentence(event))
        ]
        if time.monotonic() >= self._figures_at_s:
            self._figures_at_s += FIGURES_S
            self._lines.append(f"{_stamp(view.now_s)}  {figures(view)}")
        if self._lines:
            await to_thread.run_sync(self._write)

    def _write(self) -> None:
        encoding = self._stream.encoding or "utf-8"
        lines, self._lines = self._lines, []
        words = "".join(f"{text.clean(line)}\n" for line in lines)
        self._stream.write(words.encode(encoding, "replace").decode(encoding))
        self._stream.flush()


class JsonLines:
    """Appends every event to a file: one JSON object a line, ``event`` being its name.

    A file that cannot be written is told once, as an :class:`ObserverFailed`. Its events are kept for a while and follow when
    it can be again, so that a full disk that is given space leaves no gap.
    """

    def __init__(self, bus: Bus, path: Path) -> None:
        self._bus = bus
        self._mailbox = bus.subscribe()
        self._path = path
        self._file: FileIO | None = None
        self._backlog: list[Event] = []
        self._told = False
        self._rest_until_s = 0.0

    async def run(self) -> None:
        """Write until the bus is closed or this is cancelled, and then what was told until then."""
        try:
            await _turns(self._mailbox, self._turn)
        finally:
            if self._file is not None:
                self._file.close()

    async def _turn(self) -> None:
        self._backlog += self._mailbox.take()
        resting = time.monotonic() < self._rest_until_s and not self._mailbox.closed.is_set()
        if resting or not self._backlog:
            return
        batch = tuple(self._backlog)
        try:
            await to_thread.run_sync(self._append, batch)
        except OSError as error:
            self._failed(error)
        else:
            del self._backlog[: len(batch)]

    def _append(self, batch: Iterable[Event]) -> None:
        if self._file is None:
            self._file = FileIO(self._path, "ab")
        _write_whole(self._file, b"".join(event_json(event) for event in batch))

    def _failed(self, error: OSError) -> None:
        self._rest_until_s = time.monotonic() + FAILED_REST_S
        if not self._told:
            self._told = True
            self._bus.emit(ObserverFailed(observer="events file", error=str(error)))
        if len(self._backlog) > BACKLOG_MAX:
            self._mailbox.close()


async def _turns(mailbox: Mailbox, turn: Callable[[], Awaitable[None]]) -> None:
    """``turn`` twice a second until ``mailbox`` is closed, and once more at the end, cancelled or not."""
    try:
        while not mailbox.closed.is_set():
            await turn()
            with anyio.move_on_after(TURN_S):
                await mailbox.closed.wait()
    finally:
        mailbox.close()
        with anyio.move_on_after(LAST_WORDS_S, shield=True):
            await turn()


def _write_whole(file: FileIO, data: bytes) -> None:
    """Append all of ``data`` or nothing of it; a pipe cannot take back what it has."""
    start = file.seek(0, os.SEEK_END) if file.seekable() else None
    try:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
    except OSError:
        if start is not None:
            with contextlib.suppress(OSError):
                file.truncate(start)
        raise


def event_json(event: Event) -> bytes:
    """``event`` as one line of JSON, its class's name first."""
    fields = {"event": type(event).__name__, **msgspec.to_builtins(event)}
    try:
        return msgspec.json.encode(fields) + b"\n"
    except UnicodeEncodeError:  # a file name that is no text: JSON can hold it only escaped
        return json.dumps(fields).encode() + b"\n"


def _stamp(at_s: float) -> str:
    return f"{text.date_text(at_s)} {text.second_text(at_s)}"
