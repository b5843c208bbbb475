"""Bytes that are computed rather than stored: any range of any file, at memory speed, with digests that cost little.

A file is the prefix of its slot (its place in the tree and its size), shared by all products of a world, and a tail
of its own. Prefixes are cut from one ring of noise whose length is prime, so that two blocks of a file are never
equal wherever they are cut; their digests are computed once and carried on over each tail.
"""

from __future__ import annotations

import hashlib
import random
import threading
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from hashlib import _Hash

NOISE_BYTES = 8_388_617  # a prime just above 8 MiB
TEXT_BYTES = 1_048_583  # a prime just above 1 MiB
TAIL_BYTES = 4096
PART_BYTES = 64 << 20
DIGITS = bytes(b"0123456789 0123456789 01234 6789\n"[n % 33] for n in range(256))

Algorithm = Literal["md5", "sha3_256"]


class Content(Protocol):
    """Bytes by range: ``0 <= start <= stop <= size``, ``stop`` is not included."""

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of a span."""
        ...

    def digest(self, algorithm: Algorithm) -> str:
        """The lower-case hex digest of the whole."""
        ...

    def crc32(self) -> int:
        """The CRC-32 of the whole, as zip has it."""
        ...


def multipart_etag(content: Content) -> str:
    """What S3 calls an object that was uploaded in parts: the MD5 of their MD5s, a dash and their number."""
    digests = [
        hashlib.md5(content.read(start, min(start + PART_BYTES, content.size)), usedforsecurity=False).digest()
        for start in range(0, max(1, content.size), PART_BYTES)
    ]
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


@dataclass(frozen=True, slots=True)
class Inline:
    """Content that is small enough to be held."""

    body: bytes

    @property
    def size(self) -> int:
        """As Content."""
        return len(self.body)

    def read(self, start: int, stop: int) -> bytes:
        """As Content."""
        return self.body[start:stop]

    def digest(self, algorithm: Algorithm) -> str:
        """As Content."""
        return hashlib.new(algorithm, self.body, usedforsecurity=False).hexdigest()

    def crc32(self) -> int:
        """As Content."""
        return zlib.crc32(self.body)


class Ring:
    """Endless repetition of one block; positions count from 0 without end."""

    def __init__(self, block: bytes) -> None:
        self._block = block

    def pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        """The bytes of a span without a copy, in as many pieces as the ring has turns."""
        view, length = memoryview(self._block), len(self._block)
        while start < stop:
            at = start % length
            piece = view[at : at + stop - start]
            yield piece
            start += len(piece)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of a span."""
        at = start % len(self._block)
        if at + stop - start <= len(self._block):
            return self._block[at : at + stop - start]
        return b"".join(self.pieces(start, stop))


@dataclass(frozen=True, slots=True)
class Rings:
    """The noise of one world: binary, and digits with blanks and line ends for text files."""

    binary: Ring
    text: Ring

    @classmethod
    def of(cls, seed: int) -> Rings:
        """The noise of a seed."""
        noise = random.Random(seed).randbytes(NOISE_BYTES)  # noqa: S311 -- noise, no secret
        return cls(Ring(noise), Ring(noise[:TEXT_BYTES].translate(DIGITS)))


class Prefix:
    """The shared front of a slot: ``head``, then the ring from ``offset`` on, ``size`` bytes in all."""

    def __init__(self, ring: Ring, head: bytes, offset: int, size: int) -> None:
        self.size = size
        self._ring, self._head, self._offset = ring, head[:size], offset - len(head)
        self._states: dict[str, _Hash] = {}
        self._lock = threading.Lock()

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of a span."""
        if start >= len(self._head):
            return self._ring.read(self._offset + start, self._offset + stop)
        inside = min(stop, len(self._head))
        return self._head[start:inside] + self._ring.read(self._offset + inside, self._offset + stop)

    def hashed(self, algorithm: Algorithm) -> _Hash:
        """A hash object that has consumed the prefix; the caller's to go on with."""
        with self._lock:
            if algorithm not in self._states:
                self._states[algorithm] = self._consume(algorithm)
            return self._states[algorithm].copy()

    @cached_property
    def crc32(self) -> int:
        """The CRC-32 of the whole prefix."""
        value = zlib.crc32(self._head)
        for piece in self._body():
            value = zlib.crc32(piece, value)
        return value

    def _consume(self, algorithm: Algorithm) -> _Hash:
        state = hashlib.new(algorithm, self._head, usedforsecurity=False)
        for piece in self._body():
            state.update(piece)
        return state

    def _body(self) -> Iterator[memoryview]:
        return self._ring.pieces(self._offset + len(self._head), self._offset + self.size)


@dataclass(frozen=True, slots=True)
class Tailed:
    """A prefix and a tail: what nearly every file of the simulated archive is."""

    prefix: Prefix
    tail: Tail

    @property
    def size(self) -> int:
        """As Content."""
        return self.prefix.size + self.tail.size

    def read(self, start: int, stop: int) -> bytes:
        """As Content."""
        seam = self.prefix.size
        if stop <= seam:
            return self.prefix.read(start, stop)
        tail = self.tail.body()[max(0, start - seam) : stop - seam]
        return tail if start >= seam else self.prefix.read(start, seam) + tail

    def digest(self, algorithm: Algorithm) -> str:
        """As Content."""
        state = self.prefix.hashed(algorithm)
        state.update(self.tail.body())
        return state.hexdigest()

    def crc32(self) -> int:
        """As Content."""
        return zlib.crc32(self.tail.body(), self.prefix.crc32)


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of one file of one product: noise that ends in a digest of ``key``, or ``text`` filled up with blanks."""

    size: int
    key: bytes
    ring: Ring
    text: bytes | None = None

    def body(self) -> bytes:
        """The bytes."""
        if self.text is not None:
            return self.text.rjust(self.size)
        stamp = hashlib.blake2b(self.key, digest_size=min(32, self.size)).digest()
        at = int.from_bytes(stamp[:4], "big")
        return self.ring.read(at, at + self.size - len(stamp)) + stamp


@dataclass(slots=True)
class Loom:
    """Makes the contents of one world, each prefix once."""

    seed: int
    rings: Rings
    _prefixes: dict[tuple[str, int], Prefix] = field(default_factory=dict)

    @classmethod
    def of(cls, seed: int) -> Loom:
        """The loom of a world with that seed."""
        return cls(seed, Rings.of(seed))

    def binary(self, slot: str, size: int, key: str, head: bytes = b"") -> Tailed:
        """Noise behind the magic bytes ``head``; equal only for equal ``slot``, ``size`` and ``key``."""
        tail = min(TAIL_BYTES, max(1, size - len(head)))
        prefix = self._prefix(self.rings.binary, slot, size - tail, head)
        return Tailed(prefix, Tail(tail, f"{self.seed} {slot} {key}".encode(), self.rings.binary))

    def text(self, slot: str, size: int, head: bytes, text: bytes) -> Tailed:
        """Digits between ``head``, the same for the whole slot, and ``text``, of one product only."""
        size = max(size, len(head) + len(text))
        tail = max(len(text), min(TAIL_BYTES // 4, size - len(head)))
        return Tailed(self._prefix(self.rings.text, slot, size - tail, head), Tail(tail, b"", self.rings.text, text))

    def _prefix(self, ring: Ring, slot: str, size: int, head: bytes) -> Prefix:
        found = self._prefixes.get((slot, size))
        if found is None:
            offset = zlib.crc32(f"{self.seed} {slot} {size}".encode())
            found = self._prefixes.setdefault((slot, size), Prefix(ring, head, offset, size))
        return found
