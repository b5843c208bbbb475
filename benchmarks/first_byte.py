"""How long from the start of the command to the first byte of a product? Catalogue round trips of 150 ms, first bytes of 60 ms.

Goal: two catalogue round trips and 0.5 s, 0.8 s. The moment is taken from the archive, which counts what it serves; seconds are those since
the process was started, with and without the latencies that no client can avoid: one page, where the query has a limit below a page, the
listing over S3, and the first byte itself. What the command takes to print its version is the part that is Python.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from served import spread
from support import Archive, archive, emptied, machine, run, skyhaul, table

PAGE_S = 0.15
LATENCY_S = 0.06
WORLD = ("--products", "500", "--scale", "0.01", "--no-oddities", "--set", f"page_latency_s={PAGE_S}")
QUERY = ("--collection", "SENTINEL-2", "--product-type", "S2MSI2A", "--online", "--limit", "5")
TIMEOUT_S = 30.0


def first_byte_s(served: Archive, into: Path, *arguments: str) -> float:
    """Seconds from the start of a download until the archive has been asked for bytes and its latency is over."""
    served.reset()
    started_s = time.monotonic()
    command = skyhaul("download", *arguments, "--into", str(emptied(into)))
    with subprocess.Popen(
        command, env=served.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            while not served.stats()["bytes_served"]:
                assert process.poll() is None, process.stderr and process.stderr.read()
                assert time.monotonic() - started_s < TIMEOUT_S
                time.sleep(0.005)
            return time.monotonic() - started_s
        finally:
            process.send_signal(signal.SIGINT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    print(machine())
    rows: list[tuple[object, ...]] = [("download", "first byte s", "less latencies s")]
    with tempfile.TemporaryDirectory() as scratch, archive(*WORLD, "--set", f"latency_s={LATENCY_S}") as served:
        folder = Path(scratch)
        saved = folder / "saved.jsonl"
        found = run(skyhaul("search", *QUERY, "--format", "jsonl", "--output", str(saved)), served.environment)
        assert found.code == 0, found.err
        for name, waits_s, arguments in (
            ("of a query, zips", PAGE_S + LATENCY_S, (*QUERY, "--via", "http")),
            ("of a query, S3", PAGE_S + 2 * LATENCY_S, (*QUERY, "--via", "s3")),
            ("of a saved result, zips", LATENCY_S, ("--from", str(saved), "--via", "http")),
        ):
            first_byte_s(served, folder / "archive", *arguments)
            seconds = [first_byte_s(served, folder / "archive", *arguments) for _ in range(runs)]
            rest = [each - waits_s for each in seconds]
            rows.append((name, spread(seconds), spread(rest)))
        started = [run(skyhaul("--version"), os.environ).wall_s for _ in range(runs)]
    print(f"pages {PAGE_S * 1000:.0f} ms, first bytes {LATENCY_S * 1000:.0f} ms; median and spread, n = {runs}")
    print(table(rows))
    print(f"skyhaul --version takes {spread(started)} s")


if __name__ == "__main__":
    main()
