"""Members of a zip taken out while the rest of it still arrives, so that the end of a download is not spent unpacking.

Only a head start: what is taken out counts once the archive as a whole is verified, and what is not understood here (compressed members,
sizes that follow the data, zip64) is left to :func:`skyhaul.transfer.unpack.unpack`.
"""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
from pathlib import Path, PurePosixPath

from skyhaul.errors import DiskFull, SinkError, UnsafeName
from skyhaul.transfer.layout import safe_path
from skyhaul.transfer.sink import copied, writing

LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_SIGNATURE = b"PK\x03\x04"
_UTF8 = 0x800
_NOT_PLAIN = 0x1 | 0x8 | 0x40 | 0x2000
"""Encrypted, or with sizes after the data."""

_ZIP64 = 0xFFFFFFFF
MEMBERS_MAX = 100_000
"""Files of an archive; products have some hundreds, the multi-tile Sentinel-2 ones of 2015 some thousands."""


class Ahead:
    """Follows an archive as it grows, from its beginning. ``taken`` holds members by the offset of their headers: path and size."""

    def __init__(self, into: Path) -> None:
        self._into = into
        self._position: int | None = 0
        self._places: set[PurePosixPath] = set()
        self.taken: dict[int, tuple[PurePosixPath, int]] = {}

    def restart(self) -> None:
        """The archive begins anew."""
        with writing(self._into):
            shutil.rmtree(self._into, ignore_errors=True)
        self._position = 0
        self._places = set()
        self.taken = {}

    def follow(self, fd: int, front: int) -> None:
        """Take out the members that lie wholly before ``front``."""
        while self._position is not None and self._position + LOCAL_HEADER.size <= front:
            begin = self._position
            signature, _, flags, method, _, _, _, packed, size, name_bytes, extra_bytes = LOCAL_HEADER.unpack(
                os.pread(fd, LOCAL_HEADER.size, begin)
            )
            plain = signature == _SIGNATURE and method == zipfile.ZIP_STORED and not flags & _NOT_PLAIN
            if not plain or size == _ZIP64 or packed != size or len(self.taken) >= MEMBERS_MAX:
                self._position = None
                return
            data = begin + LOCAL_HEADER.size + name_bytes + extra_bytes
            if data + size > front:
                return
            raw = os.pread(fd, name_bytes, begin + LOCAL_HEADER.size)
            self._take(fd, begin, data, size, raw.decode("utf-8" if flags & _UTF8 else "cp437", "replace"))

    def _take(self, fd: int, begin: int, data: int, size: int, name: str) -> None:
        self._position = data + size
        if name.endswith("/"):
            return
        try:
            inside = self._place(name)
            copied(fd, self._into / inside, data, size)
        except DiskFull:
            raise
        except (UnsafeName, SinkError, EOFError):
            # An odd archive: unpack() begins anew and says what it thinks of it.
            self._position = None
            self.taken = {}
            return
        self.taken[begin] = (inside, size)

    def _place(self, name: str) -> PurePosixPath:
        inside = PurePosixPath(*safe_path(name).parts[1:])
        if not inside.parts or inside in self._places:
            raise UnsafeName(f"{name!r} is in no top folder, or there already")
        self._places.add(inside)
        return inside
