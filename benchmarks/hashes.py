"""How fast are the digests that archives state, on one core of this machine?"""

from __future__ import annotations

import time

from skyhaul.transfer.checksum import NEW
from support import machine, table

BLOCK = bytes(1 << 20)
BLOCKS = 512


def rate_gib_per_s(algorithm: str) -> float:
    digest = NEW[algorithm]()
    started_s = time.perf_counter()
    for _ in range(BLOCKS):
        digest.update(BLOCK)
    digest.hexdigest()
    return BLOCKS * len(BLOCK) / 2**30 / (time.perf_counter() - started_s)


def main() -> None:
    print(machine())
    print(table([("algorithm", "GiB/s"), *((name, f"{rate_gib_per_s(name):.2f}") for name in NEW)]))


if __name__ == "__main__":
    main()
