"""Everything skyhaul raises on purpose, sorted by what a caller can do about it.

```
SkyhaulError
├── SettingsError                 bad option, file, credential, area, date            exit 2
├── RemoteError (transient?)                                                          exit 1
│   ├── ConnectionLost  t         reset, stall, short body
│   │   └── HostUnreachable t     refused, no such name, no route; f if it never answered
│   ├── HostBusy        t         429, 5xx, SlowDown; retry_after_s; slows the whole host
│   ├── AccessDenied              terms, rights, quota                                exit 5
│   │   ├── LoginRefused   f      the credentials themselves are refused
│   │   └── TokenRefused          the host did not take this token: a fresh one may do
│   ├── ObjectMissing             404, deleted upstream
│   ├── ObjectOffline             to be ordered
│   ├── ObjectChanged             validator or size differs from what the transfer began with
│   ├── RequestRefused            any other 4xx: asking again gives the same answer
│   └── HostUntrusted             its TLS certificate does not verify
├── CatalogueError                a reply that does not parse, a slice that does not reconcile   exit 4
├── IntegrityError                checksum or structure mismatch                      exit 1
│   ├── UnsafeName                a name that would leave the destination
│   └── Unverifiable              nothing to verify it by
├── SinkError              f      read-only, permissions, a vanished mount            exit 6
│   └── DiskFull           f      no space left
└── JournalError           f      the journal cannot be read or written               exit 6
```

``t`` is transient: asking again may help. ``f`` is fatal: every other product would meet the same, so the run stops.
Exit 0 is everything verified, 3 is nothing matched, 130 is interrupted: these three are results, not errors.
"""

from __future__ import annotations

from typing import ClassVar


class SkyhaulError(Exception):
    """An expected failure. Its text is one sentence fit for a user."""

    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False
    fatal: bool = False

    @property
    def kind(self) -> str:
        """The short name under which reports count this failure."""
        return type(self).__name__


class SettingsError(SkyhaulError):
    """Something the user gave cannot be used; says what is accepted."""

    exit_code = 2


class RemoteError(SkyhaulError):
    """A host did not serve a request."""


class ConnectionLost(RemoteError):
    """The connection broke, or nothing was heard on it for too long."""

    transient = True


class HostUnreachable(ConnectionLost):
    """No connection could be made at all.

    Args:
        message: which host, and why.
        known: whether the host has answered before in this run. One that never did is most likely misspelt or blocked, and not worth
            a long wait.
    """

    def __init__(self, message: str, *, known: bool) -> None:
        super().__init__(message)
        self.known = known
        self.fatal = not known


class HostUntrusted(RemoteError):
    """The host's TLS certificate does not verify."""


class HostBusy(RemoteError):
    """The host asks for patience: 429, 5xx, ``SlowDown``.

    Args:
        message: what it said.
        status: the HTTP status.
        retry_after_s: how long it asked to be left alone, where it said so.
    """

    transient = True

    def __init__(self, message: str, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s
        self.too_early = False

    @property
    def kind(self) -> str:
        """The status, which is what people look for: ``429``, ``503``."""
        return str(self.status)


class AccessDenied(RemoteError):
    """Credentials, terms or quota do not allow the request."""

    exit_code = 5


class LoginRefused(AccessDenied):
    """The credentials are refused: nothing can be fetched with them."""

    fatal = True


class TokenRefused(AccessDenied):
    """The host did not take the token (401): expired early, revoked, or lost on the way."""


class ObjectMissing(RemoteError):
    """The host does not have the object."""


class ObjectOffline(RemoteError):
    """The object is archived and has to be ordered first."""


class ObjectChanged(RemoteError):
    """The object is no longer the one that the transfer began with."""


class RequestRefused(RemoteError):
    """The host understood the request and will not serve it."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class CatalogueError(SkyhaulError):
    """The catalogue's answer is not usable or not complete."""

    exit_code = 4


class IntegrityError(SkyhaulError):
    """Bytes are not what the archive says they are."""


class UnsafeName(IntegrityError):
    """The archive names a file that would leave the destination, or could not be told from another."""


class Unverifiable(IntegrityError):
    """Nothing but its length can be checked, and more was asked for."""


class SinkError(SkyhaulError):
    """The destination cannot take the bytes."""

    exit_code = 6
    fatal = True


class DiskFull(SinkError):
    """No space is left at the destination."""


class JournalError(SkyhaulError):
    """The journal cannot be read or written."""

    exit_code = 6
    fatal = True
