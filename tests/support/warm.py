"""skyhaul imported once, and forked for each command: tests wait for what a command does, not for what it imports.

Run as a program it takes one job a line on stdin, carries each out in a child, and answers with the child's exit code.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

MODULES = (
    "skyhaul.__main__",
    "skyhaul.cli.running",
    "skyhaul.saved",
    "skyhaul.footprint",
    "skyhaul.area",
    "skyhaul.sources.s3",
)


class Warm:
    """The program, running; one command at a time."""

    def __init__(self) -> None:
        self._scratch = TemporaryDirectory()
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self, words: Sequence[str], *, environment: Mapping[str, str], folder: Path, stdin: str, timeout_s: float
    ) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command."""
        ends = [Path(self._scratch.name) / name for name in ("in", "out", "err")]
        ends[0].write_text(stdin)
        job = {"words": words, "environment": environment, "folder": str(folder), "ends": list(map(str, ends))}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], timeout_s)[0]:
            raise subprocess.TimeoutExpired(list(words), timeout_s)
        code = int(self._process.stdout.readline())
        return code, ends[1].read_text(), ends[2].read_text()

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._scratch.cleanup()


def serve() -> None:
    """Carry out jobs until stdin closes."""
    for module in MODULES:
        import_module(module)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            become(**json.loads(line))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def become(*, words: list[str], environment: dict[str, str], folder: str, ends: list[str]) -> None:
    """Be the command from here on; never returns."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, (path, how) in enumerate(zip(ends, (os.O_RDONLY, flags, flags), strict=True)):
        os.dup2(os.open(path, how, 0o600), number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # the other has read ahead
    sys.argv = ["skyhaul", *words]
    import_module("skyhaul.__main__").main()


if __name__ == "__main__":
    serve()
