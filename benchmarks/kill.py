"""Does kill -9 at any moment cost anything but time? A download killed at random moments and run again each time, by every route.

After each kill and at the end, every file of a published product must have the digest that its manifest states. Bytes received over
all runs, beyond those of the products, are what the kills cost.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from support import IN_SHORT, Archive, archive, emptied, machine, run, skyhaul, table

QUERY = ("--collection", "SENTINEL-2", "--product-type", "S2MSI2A", "--limit", "8")
WORLD = ("--products", "40", "--tree-bytes", "20000000", "--no-oddities", "--set", "latency_s=0.01")


def wrong(folder: Path) -> list[str]:
    """Files of published products that are missing or not what their manifest states."""
    found = []
    for manifest in folder.glob("*.SAFE/manifest.safe"):
        for entry in ET.parse(manifest).iter("byteStream"):
            location, checksum = entry.find("fileLocation"), entry.find("checksum")
            assert location is not None
            assert checksum is not None
            path = manifest.parent / location.attrib["href"]
            algorithm = checksum.attrib["checksumName"].replace("-", "_").lower()
            digest = hashlib.new(algorithm, path.read_bytes()).hexdigest() if path.is_file() else "missing"
            if digest != (checksum.text or "").lower():
                found.append(str(path.relative_to(folder)))
    found += [str(path) for path in folder.glob("*.SAFE") if not (path / "manifest.safe").is_file()]
    return found


def killed(served: Archive, into: Path, via: str, kills: int, seed: int) -> tuple[int, int, int, float]:
    """Kill ``kills`` times, then run to the end: published products, wrong files seen, bytes served, seconds."""
    emptied(into)
    served.reset()
    moments = random.Random(seed)
    command = skyhaul("download", *QUERY, "--via", via, "--into", str(into), "--max-rate", "30MB")
    seen_wrong = 0
    started_s = time.monotonic()
    for _ in range(kills):
        with subprocess.Popen(
            command, env=served.environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        ) as process:
            time.sleep(moments.uniform(0.2, 2.0))
            process.kill()
        seen_wrong += len(wrong(into))
    done = run(command, served.environment)
    assert done.code == 0, done.err
    seen_wrong += len(wrong(into))
    return len(list(into.glob("*.SAFE"))), seen_wrong, served.stats()["bytes_served"], time.monotonic() - started_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(machine())
    rows: list[tuple[object, ...]] = [
        ("route", "kills", "products", "wrong or incomplete files", "served ÷ product bytes")
    ]
    with tempfile.TemporaryDirectory() as scratch, archive(*WORLD) as served:
        for via in ("s3", "http"):
            into = Path(scratch) / via
            products, seen_wrong, sent, _ = killed(served, into, via, given.kills, given.seed)
            size = sum(path.stat().st_size for path in into.glob("*.SAFE/**/*") if path.is_file())
            rows.append((via, given.kills, products, seen_wrong, f"{sent / size:.2f}"))
            assert seen_wrong == 0
            assert products == 8
    print(table(rows))
    print(f"{IN_SHORT}kill -9 at {given.kills} moments by each route: no wrong or incomplete file")


if __name__ == "__main__":
    main()
