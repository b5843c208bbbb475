"""One object on its way to disk: a ``.part`` while bytes arrive, hashed and followed as its front grows, named once it is verified.

Everything here blocks and belongs on a thread, in pieces of a mebibyte or more.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from skyhaul.errors import IntegrityError, SinkError, SkyhaulError
from skyhaul.model import ByteRange, Checksum
from skyhaul.protocols import Pieces
from skyhaul.transfer import checksum as digests
from skyhaul.transfer import parts
from skyhaul.transfer.sink import BLOCK_BYTES, put_at, writing

WRITE_OUT_BYTES = 16 << 20


class Follower(Protocol):
    """Who works on a file while it grows from its beginning."""

    def restart(self) -> None:
        """The file begins anew."""
        ...

    def follow(self, fd: int, front: int) -> None:
        """The first ``front`` bytes are there."""
        ...


class PartFile:
    """One object on its way to disk, hashed as its front grows.

    Args:
        path: its name once it is verified; until then it is ``<path>.part``.
        expected: what to verify against; ``None`` leaves the length.
        done: the spans that an earlier attempt or run wrote.
        follower: told of every write.
        parted: what may prove the bytes, and cannot disprove them, where nothing is ``expected``.
    """

    def __init__(
        self,
        path: Path,
        expected: Checksum | None,
        done: Iterable[ByteRange] = (),
        follower: Follower | None = None,
        parted: digests.Parted | None = None,
    ) -> None:
        self._follower = follower
        self._parted = parted
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self.done = parts.merged(done)
        self._expected = expected
        self._lock = threading.Lock()
        self._hashing = threading.Lock()
        self._thread: ThreadPoolExecutor | None = None
        self._behind = False
        self._failure: Exception | None = None
        self._followed = 0
        self._fd: int | None = None
        self._hash = self._new_hash()
        self._hashed = 0

    def open(self) -> None:
        """Create the file, or open what an earlier run left, also under its name; spans beyond its end are forgotten."""
        with writing(self.part):
            self.part.parent.mkdir(parents=True, exist_ok=True)
            if self.done and self.path.is_file() and not self.part.exists():
                self.path.replace(self.part)  # it got its name, and the process was killed before it could say so
            self._fd = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            length = os.fstat(self._fd).st_size
            self.done = [span for span in self.done if span.stop <= length]
            if not self.done:
                if length:  # ext4 writes out when it is closed what was ever cut to nothing: of an archive that is unpacked, in vain
                    os.ftruncate(self._fd, 0)
                self._restart_follower()

    def write(self, offset: int, chunks: Pieces) -> None:
        """Put ``chunks`` at ``offset``. What follows the file's front does so on a thread of its own: it keeps no stream from ending.

        Raises:
            SinkError: the disk refuses these bytes, or what was done behind those before them.
        """
        self._settle(wait=False)
        with writing(self.part):
            stop = put_at(self._file, offset, chunks)
            if self._follower is None:  # else it is unpacked, and removed before all of it has to be on disk
                _write_out(self._file, offset, stop)
        with self._lock:
            self.done = parts.merged([*self.done, ByteRange(start=offset, stop=stop)])
        if self._hash is not None and self._hashing.acquire(blocking=False):
            try:
                if offset == self._hashed:
                    for chunk in chunks:
                        self._hash.update(chunk)
                    self._hashed = stop
            finally:
                self._hashing.release()
        self._go_on_behind()

    def read(self, span: ByteRange) -> bytes:
        """Bytes that were written before."""
        with writing(self.part):
            return os.pread(self._file, len(span), span.start)

    def restart(self) -> None:
        """Forget every byte, and what was not to be done with them."""
        with suppress(SkyhaulError):
            self._settle(wait=True)
        with writing(self.part):
            os.ftruncate(self._file, 0)
            self._restart_follower()
        self.done = []
        self._hash = self._new_hash()
        self._hashed = self._followed = 0

    def seal(self, size: int) -> bool:
        """Verify, and give the file its name; whether its parts prove it.

        Raises:
            IntegrityError: length or digest is wrong; the ``.part`` stays as evidence.
            SinkError: the disk refuses, or refused what was done behind.
        """
        self._settle(wait=True)
        with self._hashing, writing(self.part):
            length = os.fstat(self._file).st_size
            if length != size or parts.front(self.done) != size:
                raise IntegrityError(f"{self.path.name}: it has {length} bytes where {size} are right")
            self._catch_up(size)
            if self._expected is not None and self._hash is not None:
                digests.check(self.path.name, self._expected, self._hash.hexdigest())
            self.part.replace(self.path)
            self.close()
            return isinstance(self._hash, digests.PartedHash) and self._hash.proved

    def close(self) -> None:
        """Give the file descriptor back, and the thread. The bytes stay."""
        with suppress(SkyhaulError):
            self._settle(wait=True)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @property
    def _file(self) -> int:
        if self._fd is None:
            raise SinkError(f"{self.part}: the file is not open")
        return self._fd

    def _restart_follower(self) -> None:
        if self._follower is not None:
            self._follower.restart()

    def _new_hash(self) -> digests.Hash | None:
        if self._expected is not None:
            return digests.NEW[self._expected.algorithm]()
        return self._parted.hash() if self._parted is not None else None

    def _go_on_behind(self) -> None:
        """Have the thread of this file follow the front, unless it does, or there is nothing to follow."""
        with self._lock:
            if self._behind or not self._to_follow():
                return
            self._behind = True
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1)
            self._thread.submit(self._follow)

    def _to_follow(self) -> int:
        """Up to where the front can be followed; 0 if it was."""
        front = parts.front(self.done)
        lags = self._followed < front if self._follower is not None else self._hash is not None and self._hashed < front
        return front if lags else 0

    def _follow(self) -> None:
        """Hash what the front has left behind, and tell who follows, until nothing is left to do."""
        try:
            while True:
                with self._lock:
                    if not (front := self._to_follow()):
                        self._behind = False
                        return
                with writing(self.part), self._hashing:
                    self._catch_up(front)
                    if self._follower is not None:
                        self._follower.follow(self._file, front)
                    self._followed = front
        except Exception as error:  # noqa: BLE001 raised where it can be: by who writes next, or seals
            with self._lock:
                self._behind, self._failure = False, error

    def _settle(self, *, wait: bool) -> None:
        """Raise what went wrong behind; ``wait`` for it to end."""
        if wait and self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        with self._lock:
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _catch_up(self, stop: int) -> None:
        """Hash what lies in the file beyond the hashed front: parts that overtook it, or an earlier run's bytes."""
        while self._hash is not None and self._hashed < stop:
            block = os.pread(self._file, min(BLOCK_BYTES, stop - self._hashed), self._hashed)
            if not block:
                raise IntegrityError(f"{self.path.name}: somebody cut {self.part.name} to less than was written")
            self._hash.update(block)
            self._hashed += len(block)


def _write_out(fd: int, start: int, stop: int) -> None:
    """Have the system begin to bring to disk what was written, where it can be told to: little is left to sync in the end."""
    first, last = start // WRITE_OUT_BYTES, stop // WRITE_OUT_BYTES
    if last > first and hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, first * WRITE_OUT_BYTES, (last - first) * WRITE_OUT_BYTES, os.POSIX_FADV_DONTNEED)
