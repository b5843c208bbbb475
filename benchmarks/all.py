"""Runs every benchmark, one after the other, and writes what each printed to ``results/<name>.txt``, with the date and the machine.

At the end it prints five lines for the README: what the benchmarks of ``HEADLINES`` came to when they were last run, which is the line
that each begins with ``in short:``, or its last. A benchmark that fails or takes too long says so and leaves its file as it was; the
others go on, and the exit code is 1. The machine should do nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from support import IN_SHORT, machine

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SCRIPTS = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in {"all", "peers", "served", "support"})
HEADLINES = ("allowance", "throughput", "small", "enumerate", "kill")
LIMIT_S = 1800.0
SAID_CHARS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a benchmark ended: what it printed, and in ``failed`` why that is nothing to keep."""

    printed: str
    seconds: float
    failed: str | None


def ran(script: str, limit_s: float) -> Ran:
    """Run a benchmark to its end, or end it."""
    began_s = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        # A session of its own: what it started can be ended with it.
        command = [sys.executable, str(HERE / f"{script}.py")]
        process = subprocess.Popen(command, stdout=out, stderr=err, start_new_session=True)
        try:
            code = process.wait(limit_s)
            failed = f"ended with {code}" if code else None
        except subprocess.TimeoutExpired:
            failed = f"not done after {limit_s:.0f} s"
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        err.seek(0)
        printed, said = out.read(), err.read()[-SAID_CHARS:]
    return Ran(printed=printed, seconds=time.monotonic() - began_s, failed=f"{failed}\n{said}" if failed else None)


def question(script: str) -> str:
    """What a benchmark asks, and how: its docstring."""
    return (HERE / f"{script}.py").read_text().split('"""')[1].strip()


def kept(script: str, found: Ran) -> str:
    """What is written of a benchmark."""
    printed = "\n".join(line for line in found.printed.splitlines() if line != machine()).strip("\n")
    date = datetime.now(tz=UTC)
    return f"benchmarks/{script}.py on {date:%Y-%m-%d}, {found.seconds:.0f} s\n{machine()}\n\n{question(script)}\n\n{printed}\n"


def in_short(script: str) -> str:
    """What a benchmark came to, when it was last run."""
    path = RESULTS / f"{script}.txt"
    if not path.is_file():
        return "not run yet"
    lines = path.read_text().splitlines()
    return next((line.removeprefix(IN_SHORT) for line in lines if line.startswith(IN_SHORT)), lines[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=SCRIPTS, default=SCRIPTS, help=", ".join(SCRIPTS))
    parser.add_argument(
        "--limit", type=float, default=LIMIT_S, metavar="SECONDS", help="for each (default: %(default)g)"
    )
    given = parser.parse_args()
    sys.stderr.write(f"{machine()}; load {os.getloadavg()[0]:.1f}\n")
    RESULTS.mkdir(exist_ok=True)
    failures = 0
    for script in given.only:
        found = ran(script, given.limit)
        if found.failed is None:
            (RESULTS / f"{script}.txt").write_text(kept(script, found))
        failures += found.failed is not None
        sys.stderr.write(f"{script}: {found.failed or f'{found.seconds:.0f} s'}\n")
    for script in HEADLINES:
        print(f"- `benchmarks/{script}.py`: {in_short(script)}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
