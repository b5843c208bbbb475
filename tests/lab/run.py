"""Does anything that breaks a transfer leave something wrong? Its events broken one by one, looked at, run again and compared.

    python tests/lab/run.py                                 every kill, every 5th of the other breaks and of what the archive does
    python tests/lab/run.py --every 1                       all there is
    python tests/lab/run.py --every 50 --every-kill 50      a look
    python tests/lab/run.py --route large --how kill torn

A line for each route and each way to break it: how many points were struck, how many runs ended before theirs, what was found. What is
wrong is told in full below its line, and the exit code is 1 then; a line without any point counts as wrong too. Some points of
every way to break it are part of the tests (``tests/fault/test_lab.py``).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from lab.bench import CONNECTIONS, ROUTES, Bench, Found, opened
from lab.shim import STRIKES
from lab.wire import played, storms

HEAD = (
    "route",
    "fault",
    "points",
    "ended before",
    "wrong",
    "incomplete names",
    "left behind",
    "came twice, at most",
    "seconds",
)


def broken(bench: Bench, how: str, every: int) -> Iterator[Found]:
    """Every ``every``-th event of a route, broken ``how``."""
    return (bench.strike(how, nth) for nth in range(1, bench.events(how) + 1, every))


def stormed(bench: Bench, every: int) -> Iterator[Found]:
    """Every ``every``-th of the things that the archive can do."""
    return (played(bench, storm) for storm in list(storms(bench))[::every])


def row(found: Sequence[Found], seconds: float) -> tuple[object, ...]:
    """A line of the table."""
    struck = [each for each in found if each.struck is not None]
    twice = max((each.refetched for each in found), default=0)
    return (
        found[0].route,
        found[0].how.partition(" ")[0].rstrip(":"),
        len(struck),
        len(found) - len(struck),
        sum(bool(each.wrong) for each in found),
        sum(bool(each.incomplete) for each in found),
        sum(bool(each.left) for each in found),
        f"{twice / 2**20:.2f} MiB",
        f"{seconds:.0f}",
    )


def say(cells: Sequence[object]) -> None:
    """Print a line of the table."""
    widths = (9, 8, 6, 12, 5, 16, 11, 19, 7)
    sys.stdout.write(
        "  ".join(str(cell).ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() + "\n"
    )
    sys.stdout.flush()


def main() -> int:
    """Run what was asked for; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--route", nargs="+", choices=list(ROUTES), default=list(ROUTES))
    parser.add_argument("--how", nargs="+", choices=[*STRIKES, "archive"], default=[*STRIKES, "archive"])
    parser.add_argument(
        "--every",
        type=int,
        default=5,
        metavar="K",
        help="of breaks other than kills, and of what the archive does, every K-th",
    )
    parser.add_argument("--every-kill", type=int, default=1, metavar="K", help="of kills, every K-th")
    given = parser.parse_args()
    bad: list[Found] = []
    points = kills = unstruck = 0
    say(HEAD)
    with tempfile.TemporaryDirectory() as scratch, opened(Path(scratch), given.route) as benches:
        for bench in benches.values():
            for how in given.how:
                started_s = time.monotonic()
                if how == "archive":
                    found = list(stormed(bench, given.every))
                else:
                    found = list(broken(bench, how, given.every_kill if how in {"kill", "torn"} else given.every))
                if not found:
                    continue
                say(row(found, time.monotonic() - started_s))
                struck = sum(each.struck is not None for each in found)
                points += struck
                unstruck += not struck
                kills += struck if how in {"kill", "torn"} else 0
                bad += [each for each in found if each.complaints]
                for each in found:
                    for complaint in each.complaints:
                        sys.stdout.write(f"    {each.how} {each.nth} ({each.struck}): {complaint}\n")
    sys.stdout.write(
        f"{points} points, {kills} of them kills, {CONNECTIONS} connections: {len(bad)} with something wrong\n"
    )
    if unstruck:
        sys.stdout.write(f"{unstruck} of the lines show nothing: no point of theirs was struck\n")
    return 1 if bad or unstruck else 0


if __name__ == "__main__":
    sys.exit(main())
