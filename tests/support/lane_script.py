"""A process of a run that fetches nothing: lane_script.py HOW."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from skyhaul.errors import DiskFull
from skyhaul.events import Meter
from skyhaul.lanes import Ended, packed
from skyhaul.model import Product, ProductResult


def told() -> Iterator[object]:
    stdin = sys.stdin.buffer
    while head := stdin.read(4):
        yield pickle.loads(stdin.read(int.from_bytes(head, "big")))


def say(message: object) -> None:
    sys.stdout.buffer.write(packed(message))
    sys.stdout.buffer.flush()


def carry_out(how: str, product: Product) -> None:
    match how:
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "dies once" if not Path(product.name).exists():
            Path(product.name).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        case "bug":
            say(Ended(kind="KeyError", error="'what'"))
        case "disk full":
            say(Ended(kind=DiskFull.__name__, error="no space left on device"))
        case "stopped":
            say(ProductResult(id=product.id, name=product.name, state="failed"))
            assert not sys.stdin.buffer.read()  # the run has ended, as far as it knows
            say(Ended(kind="Stopped", error="far enough", exit_code=7))
        case _:
            say(ProductResult(id=product.id, name=product.name, state="verified", bytes=10))


def main(how: str) -> None:
    messages = told()
    next(messages)
    meter = Meter()
    meter.received_bytes, meter.streams = 100, 2
    meter.requests.append(float(os.getpid()))
    say(meter)
    for product in messages:
        assert isinstance(product, Product)
        carry_out(how, product)


if __name__ == "__main__":
    main(sys.argv[1])
