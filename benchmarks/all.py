"""Runs every benchmark and writes what they print to ``results/<date>-<machine>.md``: one section for each question."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from support import machine

HERE = Path(__file__).parent
SCRIPTS = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in {"all", "served", "support"})
TIMEOUT_S = 900


def section(script: str) -> tuple[bool, str]:
    """What a benchmark prints under its question, and whether it came to its end."""
    path = HERE / f"{script}.py"
    question = path.read_text().split('"""')[1].splitlines()[0]
    sys.stderr.write(f"{script}: {question}\n")
    try:
        ran = subprocess.run(
            [sys.executable, str(path)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        done, printed = ran.returncode == 0, ran.stdout if ran.returncode == 0 else ran.stdout + ran.stderr
    except subprocess.TimeoutExpired:
        done, printed = False, f"not done after {TIMEOUT_S} s"
    kept = printed.removeprefix(machine()).strip("\n")
    return done, f"## {script}: {question}\n\n```text\n{kept}\n```\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help=f"of {', '.join(SCRIPTS)}; else all")
    parser.add_argument("--machine", default=platform.node() or "here", help="what the file calls this machine")
    given = parser.parse_args()
    if unknown := set(given.scripts) - set(SCRIPTS):
        parser.error(f"there is no {', '.join(unknown)}")
    at = datetime.now(tz=UTC)
    load = os.getloadavg()[0]
    sections = [section(script) for script in given.scripts or SCRIPTS]
    path = HERE / "results" / f"{at:%Y-%m-%d}-{given.machine}.md"
    path.parent.mkdir(exist_ok=True)
    head = f"# Measured on {at:%Y-%m-%d}\n\n{machine()}; load {load:.1f} before the first.\n\n"
    path.write_text(head + "\n".join(text for _, text in sections))
    print(path)
    sys.exit(0 if all(done for done, _ in sections) else 1)


if __name__ == "__main__":
    main()
