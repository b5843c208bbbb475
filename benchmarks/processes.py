"""What do two processes gain over one? 24 × 64 MiB over HTTP and HTTPS, 8 at once; 2000 × 20 kB over HTTP, 32 at once; into memory.

Goal: 1.8 times as fast on a machine with idle cores. The server takes one core itself: on a machine of two, two processes and the server
share them, and the figures say what is left to gain there. Wall seconds are of the whole command with its start, and of verified files;
cores are what all our processes together kept busy. They take turns, so that all see the machine in the same moods.
"""

from __future__ import annotations

import argparse
import os
import statistics
from dataclasses import dataclass
from pathlib import Path

import served
from served import Files, Web, spread
from support import IN_SHORT, Run, emptied, machine, table


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Files to fetch: how many, of how many bytes, over what, how many at once."""

    count: int
    size: int
    schemes: tuple[str, ...]
    at_once: int

    @property
    def title(self) -> str:
        """How it is called in the table."""
        return f"{self.count} × " + (f"{self.size >> 20} MiB" if self.size >> 20 else f"{self.size // 1000} kB")


LOADS = (
    Load(count=24, size=64 << 20, schemes=("http", "https"), at_once=8),
    Load(count=2000, size=20_000, schemes=("http",), at_once=32),
)


def measured(
    load: Load, files: Files, web: Web, scheme: str, *, scratch: Path, counts: list[int], runs: int
) -> list[list[Run]]:
    """The runs with each number of processes."""
    listed = files.metalink(web.roots[scheme], scratch / f"{scheme}.meta4")
    done: list[list[Run]] = [[] for _ in counts]
    for _ in range(runs):
        for count, mine in zip(counts, done, strict=True):
            into = emptied(scratch / "into")
            command = [*served.ours(listed, into, load.at_once), "--processes", str(count)]
            mine.append(served.best(command, web.environment))
            files.check(into)
    return done


def row(load: Load, scheme: str, count: int, runs: list[Run], files: Files) -> tuple[object, ...]:
    wall_s = statistics.median(each.wall_s for each in runs)
    return (
        load.title,
        scheme,
        count,
        spread([each.wall_s for each in runs]),
        f"{files.bytes / wall_s / 1e6:.0f}",
        f"{load.count / wall_s:.0f}",
        spread([each.cpu_s / each.wall_s for each in runs]),
        spread([each.cpu_s for each in runs]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--processes", type=int, nargs="+", default=[2], metavar="N", help="against one (default: 2)")
    given = parser.parse_args()
    counts = [1, *given.processes]
    print(machine())
    print(f"load {os.getloadavg()[0]:.1f} when it began; n = {given.runs}")
    rows: list[tuple[object, ...]] = [("files", "over", "processes", "wall s", "MB/s", "files/s", "cores", "CPU s")]
    gains = []
    for load in LOADS:
        with served.memory(3 * load.count * load.size) as scratch:
            files = served.made(scratch / "files", load.count, load.size)
            with served.web(files.folder) as web:
                for scheme in load.schemes:
                    done = measured(load, files, web, scheme, scratch=scratch, counts=counts, runs=given.runs)
                    rows += [row(load, scheme, *pair, files) for pair in zip(counts, done, strict=True)]
                    for count, runs in zip(counts[1:], done[1:], strict=True):
                        gain = [one.wall_s / each.wall_s for one, each in zip(done[0], runs, strict=True)]
                        gains.append(
                            f"{load.title} over {scheme}: {count} processes {spread(gain)} times as fast as one"
                        )
    print(table(rows))
    print("\n".join(gains))
    print(f"{IN_SHORT}{os.cpu_count()} cores, the server on one of them; {'; '.join(gains)}")


if __name__ == "__main__":
    main()
