"""A process of an account: spender.py FOLDER SEED SECONDS."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from skyhaul.accounts import Ledger


def spend(folder, seed, seconds):
    """A process that uses what it is granted; notes what it gives back before it says so, and what it takes after it was granted."""
    chance = random.Random(seed)
    ledger = Ledger(folder / "accounts.db", "a", streams=4)
    until = time.monotonic() + seconds
    held, granted = 0, 0
    with (folder / str(seed)).open("w") as notes:
        while time.monotonic() < until:
            held = chance.randint(0, granted) if held <= granted else held - 1
            notes.write(f"{time.monotonic()} {held}\n")
            granted = ledger.beat(wanted=chance.randint(1, 4), held=held, transferred=1).granted
            held = max(held, granted)
            notes.write(f"{time.monotonic()} {held}\n")
            time.sleep(chance.random() / 100)
        notes.write(f"{time.monotonic()} 0\n")
    ledger.close()


if __name__ == "__main__":
    spend(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
