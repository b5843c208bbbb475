"""What the benchmarks share: the machine in one line, the embedded archive, a run of skyhaul as a process, tables."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

os.environ.pop(
    "PYTHONDONTWRITEBYTECODE", None
)  # a program that was installed does not compile its modules anew each time

IN_SHORT = "in short: "
"""Begins the line in which a benchmark says what it came to."""


def machine() -> str:
    """Processor, cores, memory, system and Python, in one line."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = platform.python_version()
    return (
        f"{os.cpu_count()} cores {model}, {gib:.0f} GiB, {platform.system()} {platform.release()}, Python {python}, "
        f"aiohttp {version('aiohttp')}"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """The embedded archive under way: its addresses, and the environment that points a client at it."""

    addresses: Mapping[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment with the archive's addresses and account in it."""
        return {**os.environ, **self.addresses["environment"]}

    def stats(self) -> dict[str, Any]:
        """What the archive counted since it was last reset."""
        with urllib.request.urlopen(f"{self.addresses['control_url']}/stats") as reply:
            counted: dict[str, Any] = json.load(reply)
            return counted

    def reset(self) -> None:
        """Count from zero again."""
        urllib.request.urlopen(f"{self.addresses['control_url']}/stats/reset", data=b"").close()


@contextmanager
def archive(*options: str) -> Iterator[Archive]:
    """``skyhaul simulate`` in a process of its own."""
    command = [sys.executable, "-m", "skyhaul", "simulate", "--until-stdin-closes", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Archive(addresses=json.loads(process.stdout.readline()))
        finally:
            process.terminate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished process: its exit code, wall and CPU seconds, peak memory, and what it printed."""

    code: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    out: str
    err: str


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None) -> Run:
    """Run a command to its end, as the operating system accounts for it."""
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        started_s = time.monotonic()
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started_s
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Run(
            code=process.returncode,
            wall_s=wall_s,
            cpu_s=usage.ru_utime + usage.ru_stime,
            peak_bytes=usage.ru_maxrss * 1024,
            out=out.read(),
            err=err.read(),
        )


def skyhaul(*arguments: str) -> list[str]:
    """The command line of skyhaul, by this interpreter."""
    return [sys.executable, "-m", "skyhaul", *arguments]


def emptied(folder: Path) -> Path:
    """``folder`` with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def table(rows: Sequence[Sequence[object]]) -> str:
    """Rows, the first of them headings, in columns."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts
    )
