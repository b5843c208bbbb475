"""Identifiers that are computed: UUIDs of row numbers, and row numbers of UUIDs."""

from __future__ import annotations

import hashlib
import uuid
import zlib
from dataclasses import dataclass

MASK = 0xFFFFFFFF
FIRST, SECOND = 0x9E3779B1, 0x85EBCA6B  # odd, so that they have inverses modulo 2^32
FIRST_BACK, SECOND_BACK = pow(FIRST, -1, MASK + 1), pow(SECOND, -1, MASK + 1)


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of one set of rows: ``key`` tells sets apart.

    The first 32 bits are a permutation of the row number, the others are derived from it, so that a made-up id is
    not found. Ids order as ``order`` of their rows does.
    """

    key: str

    @property
    def _shift(self) -> int:
        return zlib.crc32(self.key.encode())

    def order(self, row: int) -> int:
        """The first 32 bits of the id."""
        mixed = (row * FIRST + self._shift) & MASK
        mixed ^= mixed >> 16
        mixed = mixed * SECOND & MASK
        return mixed ^ mixed >> 16

    def of(self, row: int) -> str:
        """The id of a row: a UUID of version 4 by its looks."""
        rest = hashlib.blake2b(f"{self.key} {row}".encode(), digest_size=12).hexdigest()
        return f"{self.order(row):08x}-{rest[:4]}-4{rest[5:8]}-{'89ab'[int(rest[8], 16) % 4]}{rest[9:12]}-{rest[12:]}"

    def row(self, text: str, rows: int) -> int | None:
        """The row below ``rows`` whose id this is, in any letter case."""
        try:
            mixed = uuid.UUID(text).int >> 96
        except ValueError:
            return None
        mixed ^= mixed >> 16
        mixed = mixed * SECOND_BACK & MASK
        mixed ^= mixed >> 16
        row = (mixed - self._shift) * FIRST_BACK & MASK
        return row if row < rows and self.of(row) == text.lower() else None
