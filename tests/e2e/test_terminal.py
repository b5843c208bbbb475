"""The dashboard in a real terminal: its size, its resizing, Ctrl-C as it is typed, and what is left when it has gone."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyte
import pytest

from support.served import TIMEOUT_S, Skyhaul
from support.trees import wrong

SIX = ("--product-type", "IW_GRDH_1S", "--end", "2024-06-01", "--limit", "6")
WIDE = 400
"""Columns of the screen that judges: a line that would wrap on the real one shows its whole length here."""


class Terminal:
    """Somebody's terminal, with a program in its foreground."""

    def __init__(self, master: int, process: subprocess.Popen[bytes], columns: int, rows: int) -> None:
        self._master = master
        self.process = process
        self.columns = columns
        self.shown = pyte.Screen(columns, rows)
        self._judge = pyte.Screen(WIDE, 200)
        self._streams = pyte.ByteStream(self.shown), pyte.ByteStream(self._judge)
        self.widest = 0

    def read(self, until: Callable[[], bool] = lambda: False) -> None:
        """Read until a condition holds for what is shown, or to the end of the program."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while not until():
            assert time.monotonic() < deadline_s, "\n".join(self.shown.display)
            if not select.select([self._master], [], [], 1.0)[0]:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:  # Linux: the last of the other side has closed
                return
            if not data:
                return
            for stream in self._streams:
                stream.feed(data)
            self.widest = max(self.widest, self.width)

    @property
    def width(self) -> int:
        """The longest line that is shown, as the program wrote it."""
        return max(len(line.rstrip()) for line in self._judge.display)

    def shows(self, words: str) -> bool:
        return any(words in line for line in self.shown.display)

    def resize(self, columns: int, rows: int) -> None:
        """As a user pulls at the corner of the window; the kernel tells the program."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.columns = columns
        self.shown.resize(rows, columns)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def ended(self) -> int:
        self.read()
        return self.process.wait(TIMEOUT_S)


@contextmanager
def terminal(skyhaul: Skyhaul, *arguments: object, columns: int, rows: int) -> Iterator[Terminal]:
    """A program in a new terminal of this size."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        skyhaul.command(*arguments),
        env={**skyhaul.environment, "TERM": "xterm-256color"},
        cwd=skyhaul.folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 no thread holds a lock here
    )
    os.close(slave)
    try:
        yield Terminal(master, process, columns, rows)
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.mark.parametrize(("columns", "rows"), [(110, 32), (80, 24)])
def test_the_dashboard_fits_and_leaves_the_report(archive, skyhaul, columns, rows):
    command = ("download", *SIX, "--into", "archive", "--via", "http", "--max-rate", "4MB")
    with terminal(skyhaul, *command, columns=columns, rows=rows) as screen:
        screen.read(until=lambda: screen.shown.cursor.hidden and screen.shows("━"))
        assert screen.shows("skyhaul")
        assert screen.shows("rate")
        assert screen.ended() == 0
        assert screen.widest <= columns
        assert not screen.shown.cursor.hidden
        assert screen.shows("journal")
    assert wrong(skyhaul.folder / "archive") == []


def test_a_window_that_changes_its_size(archive, skyhaul):
    command = ("download", *SIX, "--into", "archive", "--via", "http", "--max-rate", "1500kB")
    with terminal(skyhaul, *command, columns=110, rows=32) as screen:
        for columns, rows in ((110, 32), (40, 10), (130, 40)):
            screen.resize(columns, rows)
            # Drawn anew for the new size: its first line ends where the window does.
            screen.read(until=lambda: screen.columns - 12 < screen.width <= screen.columns)
            screen.widest = 0
            screen.read(until=lambda: screen.widest > 0)  # one picture more
            assert screen.widest <= columns
            assert sum(line.startswith(" skyhaul  cdse") for line in screen.shown.display) == 1
        assert screen.ended() == 0
        assert screen.widest <= 130
    assert wrong(skyhaul.folder / "archive") == []


def test_control_c_is_a_safe_stop(archive, skyhaul):
    command = ("download", *SIX, "--into", "archive", "--via", "s3", "--max-rate", "3MB")
    with terminal(skyhaul, *command, columns=100, rows=30) as screen:
        screen.read(until=lambda: screen.shows("fetching") and archive.stats()["bytes_served"] > 500_000)
        screen.type(b"\x03")
        assert screen.ended() == 130
        assert screen.shows("interrupted; run again to resume")
        assert not screen.shown.cursor.hidden
        assert screen.widest <= 100
    assert "Traceback" not in "\n".join(screen.shown.display)
    assert wrong(skyhaul.folder / "archive") == []
    again = skyhaul(*command[:-2])
    assert again.code == 0
    assert wrong(skyhaul.folder / "archive") == []


def test_the_demo(skyhaul):
    with terminal(skyhaul, "demo", "--fast", "--products", "3", "--into", "d", columns=80, rows=24) as screen:
        assert screen.ended() == 0
        assert screen.widest <= 80
        assert screen.shows("3 found   3 verified")
        assert not screen.shown.cursor.hidden
    assert len(list((skyhaul.folder / "d").glob("*.SAFE/manifest.safe"))) == 3
    assert wrong(skyhaul.folder / "d") == []


def test_results_go_down_a_pipe_while_the_dashboard_is_on_the_terminal(archive, skyhaul):
    """Stdout is no terminal, stderr is one: lines of JSON, and nothing of the dashboard among them."""
    master, slave = os.openpty()
    with subprocess.Popen(
        skyhaul.command("search", *SIX, "--format", "jsonl"),
        env=skyhaul.environment, cwd=skyhaul.folder, stdin=slave, stdout=subprocess.PIPE, stderr=slave,
    ) as process:  # fmt: skip
        os.close(slave)
        out, _ = process.communicate(timeout=TIMEOUT_S)
    os.close(master)
    assert process.returncode == 0
    assert len(out.splitlines()) == 6
    assert all(line.startswith(b'{"name":') for line in out.splitlines())
