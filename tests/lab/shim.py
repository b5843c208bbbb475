"""Everything that a process does to the disk, the journal and the wire, counted; and the n-th of it broken.

Laid over the functions of ``os``, ``io``, ``sqlite3`` and ``socket`` of a process that was forked for one command. What is written outside
of the destination does not count. When the process ends, or is about to be killed, what was counted is left in a file.
"""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import signal
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

WRITING = ("write", "create", "truncate", "mkdir", "rename", "sync")
READING = ("read", "open")
JOURNAL = ("statement", "commit")
WIRE = ("connect", "send", "receive")
DISK = (*WRITING, *READING, "unlink")

STRIKES: dict[str, tuple[str, ...]] = {
    "kill": (*DISK, *JOURNAL, *WIRE),
    "torn": ("write", "commit"),
    "short": ("write",),
    "ENOSPC": ("write", "create", "mkdir", "rename", "sync", "statement", "commit"),
    "EDQUOT": ("write", "create", "mkdir"),
    "EIO": (*DISK, *JOURNAL),
    "EROFS": ("write", "create", "truncate", "mkdir", "rename", "unlink", "statement", "commit"),
    "gone": DISK,
    "full": ("write", "create", "mkdir", "statement", "commit"),
    "locked": JOURNAL,
    "reset": WIRE,
    "eof": ("receive",),
}
"""What each way of breaking breaks. ``torn`` is killed with half of it written, ``short`` writes half and says so; ``gone`` (the folder
vanished), ``full`` and ``EROFS`` stay so from there on, the others pass."""

LASTING = ("gone", "full", "EROFS")
CUTTING = ("torn", "short")
_OPEN, _WRITE, _CLOSE = os.open, os.write, os.close
_ERRNO = {"full": errno.ENOSPC, "gone": errno.ENOENT, "reset": errno.ECONNRESET}
_SAID = {
    "EROFS": "attempt to write a readonly database",
    "ENOSPC": "database or disk is full",
    "full": "database or disk is full",
    "locked": "database is locked",
}


@dataclass(slots=True)
class Book:
    """Counts events, and strikes the ``nth`` of those that ``how`` breaks. Without ``how`` it only counts."""

    root: str
    report: str
    how: str | None = None
    nth: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    struck: str | None = None
    candidates: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def event(self, kind: str, what: object = "") -> str | None:
        """Count an event that is about to happen; how it is to be broken, if it is. A kill does not return."""
        with self.lock:
            self.counted[kind] += 1
            if self.how is None or kind not in STRIKES[self.how]:
                return None
            self.candidates += 1
            if self.candidates < self.nth or (self.candidates > self.nth and self.how not in LASTING):
                return None
            self.struck = self.struck or f"{kind} {what}"
            if self.how == "kill":
                self.die()
            return self.how

    def die(self) -> None:
        """Be killed, as by the kernel."""
        self.leave()
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()

    def leave(self) -> None:
        """Say what was counted."""
        told = {"counted": self.counted, "received": self.received, "struck": self.struck}
        _left(self.report, json.dumps(told))

    def inside(self, path: Any, dir_fd: int | None = None) -> bool:
        """Whether a path lies in the destination."""
        if isinstance(path, int):
            return self.holds(path)
        text = os.fsdecode(path)
        if dir_fd is not None and not text.startswith("/"):
            return self.holds(dir_fd)
        return os.path.abspath(text).startswith(self.root)  # noqa: PTH100 asks the disk nothing

    def holds(self, fd: int) -> bool:
        """Whether a descriptor is of something in the destination."""
        try:
            return os.readlink(f"/proc/self/fd/{fd}").startswith(self.root)  # noqa: PTH115 called for every event
        except OSError:
            return False


def _left(path: str, text: str) -> None:
    fd = _OPEN(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    _WRITE(fd, text.encode())
    _CLOSE(fd)


def refused(how: str, path: object) -> OSError:
    """The error that the system would raise."""
    number = _ERRNO[how] if how in _ERRNO else getattr(errno, how)
    return OSError(
        number, os.strerror(number), os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else None
    )


def half(buffers: Any) -> bytes:
    """The first half of what was to be written; all of a single byte."""
    body = b"".join(map(bytes, buffers))
    return body[: max(1, len(body) // 2)]


def install(book: Book) -> None:
    """Lay the counting over everything, for the rest of this process."""
    for names, kind in PATHS.items():
        for name in names:
            setattr(os, name, _of_path(book, getattr(os, name), kind))
    for name, (kind, cut) in DESCRIPTORS.items():
        if hasattr(os, name):
            setattr(os, name, _of_descriptor(book, getattr(os, name), kind, cut))
    os.open = _opening(book, os.open)
    io.open = builtins.open = _opening_file(book, io.open)
    Raw.book = Journal.book = book
    sqlite3.connect = _connecting(sqlite3.connect)  # type: ignore[assignment] # as it is called
    for name, laid in WIRES.items():
        setattr(socket.socket, name, laid(book, getattr(socket.socket, name)))


# the disk


def _of_path(book: Book, real: Callable[..., Any], kind: str) -> Callable[..., Any]:
    def laid(path: Any, *args: Any, **more: Any) -> Any:
        if book.inside(path, more.get("dir_fd") or more.get("src_dir_fd")):
            how = book.event(kind, path)
            if how is not None:
                raise refused(how, path)
        return real(path, *args, **more)

    return laid


def _of_descriptor(
    book: Book, real: Callable[..., Any], kind: str, cut: Callable[..., Any] | None
) -> Callable[..., Any]:
    def laid(*args: Any, **more: Any) -> Any:
        target = args[1] if cut is _cut_copy else args[0]
        if not book.holds(target if isinstance(target, int) else target.fileno()):
            return real(*args, **more)
        how = book.event(kind, real.__name__)
        if how is None:
            return real(*args, **more)
        if how not in CUTTING or cut is None:
            raise refused(how, None)
        done = cut(real, *args)
        if how == "torn":
            book.die()
        return done

    return laid


def _cut_vector(real: Callable[..., int], fd: int, buffers: Any, *rest: Any) -> int:
    return real(fd, [half(buffers)], *rest)


def _cut_one(real: Callable[..., int], fd: int, data: Any, *rest: Any) -> int:
    return real(fd, half([data]), *rest)


def _cut_copy(real: Callable[..., int], source: int, target: int, count: int, *rest: Any) -> int:
    return real(source, target, max(1, count // 2), *rest)


PATHS = {
    ("replace", "rename", "link", "symlink"): "rename",
    ("unlink", "remove", "rmdir"): "unlink",
    ("mkdir",): "mkdir",
    ("truncate",): "truncate",
    ("scandir",): "open",
}
DESCRIPTORS: dict[str, tuple[str, Callable[..., Any] | None]] = {
    "pwritev": ("write", _cut_vector),
    "writev": ("write", _cut_vector),
    "pwrite": ("write", _cut_one),
    "write": ("write", _cut_one),
    "copy_file_range": ("write", _cut_copy),
    "pread": ("read", None),
    "preadv": ("read", None),
    "read": ("read", None),
    "fsync": ("sync", None),
    "fdatasync": ("sync", None),
    "ftruncate": ("truncate", None),
    "posix_fallocate": ("truncate", None),
}


def _opening(book: Book, real: Callable[..., int]) -> Callable[..., int]:
    def laid(path: Any, flags: int, *args: Any, **more: Any) -> int:
        if book.inside(path, more.get("dir_fd")):
            how = book.event("create" if flags & (os.O_CREAT | os.O_TRUNC) else "open", path)
            if how is not None:
                raise refused(how, path)
        return real(path, flags, *args, **more)

    return laid


class Raw(io.FileIO):
    """A file of the destination that was opened by :func:`open`."""

    book: ClassVar[Book]

    def read(self, size: int | None = -1, /) -> bytes:
        """Count, and read."""
        self._about("read")
        return super().read(size)

    def readall(self) -> bytes:
        """Count, and read."""
        self._about("read")
        return super().readall()

    def readinto(self, buffer: Any, /) -> int:
        """Count, and read."""
        self._about("read")
        return super().readinto(buffer)

    def write(self, data: Any, /) -> int:
        """Count, and write; half of it when cut."""
        how = self._about("write")
        done = super().write(half([data]) if how else data)
        if how == "torn":
            self.book.die()
        return done

    def _about(self, kind: str) -> str | None:
        how = self.book.event(kind, self.name)
        if how is not None and how not in CUTTING:
            raise refused(how, self.name)
        return how


def _opening_file(book: Book, real: Callable[..., Any]) -> Callable[..., Any]:
    def laid(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **more: Any) -> Any:
        if isinstance(file, int) or not book.inside(file):
            return real(file, mode, buffering, *args, **more)
        how = book.event("open" if mode.strip("bt") == "r" else "create", file)
        if how is not None:
            raise refused(how, file)
        if "b" not in mode:
            return real(file, mode, buffering, *args, **more)
        raw = Raw(file, mode.replace("b", ""), opener=more.get("opener"))
        if buffering == 0:
            return raw
        kind = io.BufferedRandom if "+" in mode else io.BufferedReader if "r" in mode else io.BufferedWriter
        return kind(raw)

    return laid


# the journal


class Journal(sqlite3.Connection):
    """A connection whose statements and commits count."""

    book: ClassVar[Book]

    def execute(self, *args: Any) -> sqlite3.Cursor:
        """Count, and execute."""
        self._about("statement", args[0])
        return super().execute(*args)

    def executescript(self, script: str, /) -> sqlite3.Cursor:
        """Count, and execute."""
        self._about("statement", script)
        return super().executescript(script)

    def commit(self) -> None:
        """Count, and commit."""
        how = self._about("commit")
        super().commit()
        if how == "torn":
            self.book.die()

    def __exit__(self, *error: Any) -> Any:  # noqa: PYI036 handed on as they come
        how = self._about("commit") if error[0] is None else None
        left = super().__exit__(*error)
        if how == "torn":
            self.book.die()
        return left

    def _about(self, kind: str, what: object = "") -> str | None:
        how = self.book.event(kind, what)
        if how is not None and how != "torn":
            if self.in_transaction and kind == "commit":
                self.rollback()
            raise sqlite3.OperationalError(_SAID.get(how, "disk I/O error"))
        return how


def _connecting(real: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
    def laid(database: Any, *args: Any, **more: Any) -> sqlite3.Connection:
        return real(database, *args, factory=Journal, **more)

    return laid


# the wire


def _is_far(wire: socket.socket) -> bool:
    # The loop wakes itself by a pair of local sockets.
    return wire.family in {socket.AF_INET, socket.AF_INET6}


def _out(book: Book, real: Callable[..., Any], kind: str) -> Callable[..., Any]:
    def laid(wire: socket.socket, *args: Any) -> Any:
        if _is_far(wire) and book.event(kind) is not None:
            raise refused("reset", None)
        return real(wire, *args)

    return laid


def _in(book: Book, real: Callable[..., Any], nothing: object) -> Callable[..., Any]:
    """``nothing`` is what ``real`` returns at the end of a stream."""

    def laid(wire: socket.socket, *args: Any) -> Any:
        if not _is_far(wire):
            return real(wire, *args)
        how = book.event("receive")
        if how == "reset":
            raise refused(how, None)
        if how == "eof":
            return nothing
        came = real(wire, *args)
        with suppress(OSError), book.lock:
            book.received[str(wire.getpeername()[1])] += came if isinstance(came, int) else len(came)
        return came

    return laid


WIRES: dict[str, Callable[[Book, Callable[..., Any]], Callable[..., Any]]] = {
    "connect": lambda book, real: _out(book, real, "connect"),
    "send": lambda book, real: _out(book, real, "send"),
    "sendmsg": lambda book, real: _out(book, real, "send"),
    "recv": lambda book, real: _in(book, real, b""),
    "recv_into": lambda book, real: _in(book, real, 0),
}
