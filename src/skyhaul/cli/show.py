"""What commands print on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import msgspec


def print_json(value: object) -> None:
    """One JSON object on a line of its own."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def print_rows(rows: Iterable[Sequence[str]]) -> None:
    """Lines whose columns line up."""
    lines = [list(row) for row in rows]
    widths = [max(map(len, column), default=0) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(padded).rstrip() + "\n")
