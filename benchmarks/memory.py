"""How much memory do 100 000 queued products take? Goal: below 200 MiB, and about what a thousand take.

A search, a download of a query and a download of a saved result, both interrupted after a while. The archive gives 20 kB/s a
stream, so that nothing gets done and everything waits.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from support import Archive, archive, emptied, machine, run, skyhaul, table

SECONDS = 20
QUERY = ("--collection", "SENTINEL-2")


def interrupted(served: Archive, into: Path, *arguments: str) -> float:
    """Peak MiB of a download that is interrupted after SECONDS; it must end with 130."""
    command = skyhaul("download", *arguments, "--into", str(emptied(into)))
    with subprocess.Popen(
        command, env=served.environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        time.sleep(SECONDS)
        process.send_signal(signal.SIGINT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 130, process.returncode
    return usage.ru_maxrss / 1024


def searched(served: Archive, saved: Path) -> tuple[float, int]:
    """Peak MiB of a search written to a file, and how many lines it has."""
    command = skyhaul("search", *QUERY, "--format", "jsonl", "--output", str(saved))
    with subprocess.Popen(command, env=served.environment) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    with saved.open() as lines:
        return usage.ru_maxrss / 1024, sum(1 for _ in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--products", type=int, nargs="+", default=[1_300, 125_000], help="about four fifths are Sentinel-2"
    )
    print(machine())
    rows: list[tuple[object, ...]] = [("products", "search MiB", "download MiB", "download --from MiB")]
    for count in parser.parse_args().products:
        world = ("--products", str(count), "--checksums", "none", "--set", "bytes_per_s_per_connection=20000")
        with tempfile.TemporaryDirectory() as scratch, archive(*world) as served:
            folder = Path(scratch)
            saved = folder / "saved.jsonl"
            search_mib, products = searched(served, saved)
            query_mib = interrupted(served, folder / "archive", *QUERY)
            from_mib = interrupted(served, folder / "archive", "--from", str(saved))
        rows.append((products, f"{search_mib:.0f}", f"{query_mib:.0f}", f"{from_mib:.0f}"))
    print(f"a bare interpreter takes {run([*skyhaul()[:1], '-c', 'pass'], os.environ).peak_bytes / 2**20:.0f} MiB")
    print(table(rows))


if __name__ == "__main__":
    main()
