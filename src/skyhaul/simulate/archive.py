"""A stored zip laid out on paper: every offset is known beforehand, so any range can be read without the rest."""

from __future__ import annotations

import hashlib
import struct
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from blake3 import blake3

from skyhaul.simulate.content import Inline

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from skyhaul.simulate.content import Algorithm, Content

HASH_BYTES = 4 << 20
LIMIT = 0xFFFFFFFF  # sizes and offsets from here on need zip64
MANY = 0xFFFF
LOCAL_BYTES, CENTRAL_BYTES, END_BYTES = 30, 46, 22
LOCAL64_BYTES, END64_BYTES = 20, 76
FOLDER, REGULAR = 0o40755 << 16 | 0x10, 0o100644 << 16
UNIX = 3 << 8


@dataclass(frozen=True, slots=True)
class Entry:
    """What goes into the zip under ``name``; a folder's name ends in a slash and its content is empty."""

    name: str
    content: Content


@dataclass(frozen=True, slots=True)
class Chain:
    """Contents one after the other, read as one."""

    parts: tuple[Content, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, parts: Sequence[Content]) -> Chain:
        """The chain of ``parts``, none of them empty."""
        return cls(tuple(parts), tuple(accumulate(part.size for part in parts)))

    @property
    def size(self) -> int:
        """As Content."""
        return self.ends[-1]

    def read(self, start: int, stop: int) -> bytes:
        """As Content."""
        return b"".join(self._slices(start, stop))

    def digest(self, algorithm: Algorithm) -> str:
        """As Content."""
        state = hashlib.new(algorithm, usedforsecurity=False)
        for start in range(0, self.size, HASH_BYTES):
            state.update(self.read(start, min(start + HASH_BYTES, self.size)))
        return state.hexdigest()

    def crc32(self) -> int:
        """As Content."""
        return Inline(self.read(0, self.size)).crc32()

    def _slices(self, start: int, stop: int) -> Iterator[bytes]:
        at = bisect_right(self.ends, start)
        while start < stop:
            part, end = self.parts[at], self.ends[at]
            begin = end - part.size
            yield part.read(start - begin, min(stop, end) - begin)
            start, at = end, at + 1


def md5_and_blake3(content: Content) -> tuple[str, str]:
    """Both lower-case hex digests from one pass over the bytes."""
    md5, tree = hashlib.md5(usedforsecurity=False), blake3()
    for start in range(0, content.size, HASH_BYTES):
        block = content.read(start, min(start + HASH_BYTES, content.size))
        md5.update(block)
        tree.update(block)
    return md5.hexdigest(), tree.hexdigest()


def zipped(entries: Sequence[Entry], modified: dt.datetime) -> Chain:
    """The zip of ``entries``, stored, in their order, all dated ``modified``; zip64 records only where sizes ask for them."""
    stamp = _dos_time(modified)
    parts: list[Content] = []
    central: list[bytes] = []
    offset = 0
    for entry in entries:
        name, size, crc = entry.name.encode(), entry.content.size, entry.content.crc32()
        local = _local(name, size, crc, stamp)
        parts += [Inline(local), entry.content]
        central.append(_central(name, size, crc, stamp, offset))
        offset += len(local) + size
    directory = b"".join(central)
    parts.append(Inline(directory + _end(len(entries), len(directory), offset)))
    return Chain.of([part for part in parts if part.size])


def zipped_size(sizes: Sequence[tuple[str, int]]) -> int:
    """The length of the zip of entries with these names and sizes, without making it."""
    offset = directory = 0
    for name, size in sizes:
        length = len(name.encode())
        directory += CENTRAL_BYTES + length + _extra_bytes(size, offset)
        offset += LOCAL_BYTES + length + (LOCAL64_BYTES if size >= LIMIT else 0) + size
    end = END64_BYTES if max(offset, directory) >= LIMIT or len(sizes) >= MANY else 0
    return offset + directory + end + END_BYTES


def _local(name: bytes, size: int, crc: int, stamp: int) -> bytes:
    large = size >= LIMIT
    extra = struct.pack("<HHQQ", 1, 16, size, size) if large else b""
    shown = LIMIT if large else size
    version = 45 if large else 20
    fields = (0x04034B50, version, 0, 0, stamp, crc, shown, shown, len(name), len(extra))
    return struct.pack("<IHHHIIIIHH", *fields) + name + extra


def _central(name: bytes, size: int, crc: int, stamp: int, offset: int) -> bytes:
    large = [size, size] if size >= LIMIT else []
    large += [offset] if offset >= LIMIT else []
    extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    shown = min(size, LIMIT)
    version = 45 if large else 20
    kind = FOLDER if name.endswith(b"/") else REGULAR
    fields = (0x02014B50, UNIX | version, version, 0, 0, stamp, crc, shown, shown, len(name), len(extra))
    return struct.pack("<IHHHHIIIIHHHHHII", *fields, 0, 0, 0, kind, min(offset, LIMIT)) + name + extra


def _extra_bytes(size: int, offset: int) -> int:
    numbers = 2 * (size >= LIMIT) + (offset >= LIMIT)
    return 4 + 8 * numbers if numbers else 0


def _end(count: int, directory: int, offset: int) -> bytes:
    shown = (min(count, MANY), min(directory, LIMIT), min(offset, LIMIT))
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, shown[0], shown[0], shown[1], shown[2], 0)
    if max(directory, offset) < LIMIT and count < MANY:
        return end
    record = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, UNIX | 45, 45, 0, 0, count, count, directory, offset)
    return record + struct.pack("<IIQI", 0x07064B50, 0, offset + directory, 1) + end


def _dos_time(at: dt.datetime) -> int:
    date = (at.year - 1980) << 9 | at.month << 5 | at.day
    return date << 16 | at.hour << 11 | at.minute << 5 | at.second // 2
