"""As ``support.warm``, for commands that are to be broken: run as a program, it lays the shim over each child."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from lab.shim import Book, install
from support.warm import MODULES, become

MORE = ("anyio._backends._asyncio", "keyring.backends.null", "pydantic", "rich.console", "typer._adapters", "zoneinfo")
HUNG_S = 40
BATCH_BYTES = 1 << 19
"""A quarter of what a run on its own has, so that a small world has many."""


def serve() -> None:
    """Carry out jobs until stdin closes: each answered with its exit code, negative for a signal."""
    for module in MODULES:
        import_module(module)
    for module in MORE:
        with suppress(ImportError):
            import_module(module)
    gc.freeze()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _be(json.loads(line))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _be(job: dict[str, Any]) -> None:
    """Be the command, broken as the job says; never returns."""
    book = Book(**job.pop("book"))
    interrupt_s, part_bytes = job.pop("interrupt_s"), job.pop("part_bytes")
    import_module("skyhaul.sources.wire").BATCH_BYTES = BATCH_BYTES  # type: ignore[attr-defined]
    if part_bytes is not None:
        import_module("skyhaul.transfer.fetch").PART_BYTES = part_bytes  # type: ignore[attr-defined]
    signal.alarm(HUNG_S)
    if interrupt_s is not None:
        timer = threading.Timer(interrupt_s, os.kill, (os.getpid(), signal.SIGTERM))
        timer.daemon = True
        timer.start()
    install(book)
    code = 70
    try:
        become(**job)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        book.leave()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
