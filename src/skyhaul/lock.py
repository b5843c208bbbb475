"""A folder that one run works in at a time, and whether the machine has been started anew since the one before."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from skyhaul.errors import SinkError

LOCKED_S = 1.0
"""How long a folder that others work in is waited for, in case they are just ending."""

LOOK_S = 0.05
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def locked(folder: Path) -> int:
    """Make ``folder`` and lock it; what keeps others out for as long as it is open. Blocks.

    Raises:
        SinkError: it cannot be written, or another skyhaul works in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise SinkError(f"{folder}: {os.strerror(error.errno or 0)}") from error
    if not _taken(fd):
        os.close(fd)
        raise SinkError(
            f"{folder.parent}: another skyhaul is working in this folder; wait for it, or use another --into"
        )
    return fd


def _taken(fd: int) -> bool:
    """Take the lock, within a moment: the processes of a run that was killed need one to notice, and hold it until then."""
    give_up_s = time.monotonic() + LOCKED_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up_s:
                return False
            time.sleep(LOOK_S)
        except OSError:
            return (
                True  # file systems without locks (some Lustre mounts): one process at a time is then the user's care
            )
        else:
            return True


def restarted(lock_fd: int) -> bool:
    """Whether another start of the machine stands in the lock than this one. Always false where it is not told (macOS)."""
    this = _start()
    return bool(this) and os.pread(lock_fd, len(this), 0) not in {b"", this}


def note_start(lock_fd: int) -> None:
    """Have this start of the machine stand in the lock, once what the one before may have spoilt is forgotten."""
    with suppress(OSError):  # a full disk: nothing is staged on it either
        os.pwrite(lock_fd, _start(), 0)


def _start() -> bytes:
    try:
        return _BOOT.read_bytes().strip()
    except OSError:
        return b""
