"""How long does `skyhaul --help` keep a processor busy? Goal: 0.25 s."""

from __future__ import annotations

import os
import statistics

from support import machine, run, skyhaul

RUNS = 11


def main() -> None:
    print(machine())
    run(skyhaul("--help"), os.environ)
    seconds = [run(skyhaul("--help"), os.environ).cpu_s for _ in range(RUNS)]
    print(
        f"skyhaul --help: median {statistics.median(seconds):.3f} s CPU, {min(seconds):.3f} to {max(seconds):.3f}, n = {RUNS}"
    )


if __name__ == "__main__":
    main()
