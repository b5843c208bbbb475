"""A request and its answer, whichever way they travel, and what goes wrong with either in words that all ways share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from skyhaul.discreet import without_secrets
from skyhaul.errors import ConnectionLost, HostUnreachable, HostUntrusted
from skyhaul.protocols import Take
from skyhaul.version import __version__

AGENT = f"skyhaul/{__version__}"
HASTE_S = 0.25
"""What has come of a slow stream is handed on after so long, be it less than a batch."""


Ready = Callable[[], Awaitable[Mapping[str, str] | None]]
"""Comes when a request may be sent; with other headers where those that it was made with are no longer good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it is sent.

    ``large`` is whether more than a batch may be answered, ``proxy`` what it goes through, ``known`` whether the host has answered before.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    large: bool = False
    proxy: str | None = None
    known: bool = False

    @property
    def host(self) -> str:
        """Whom errors name."""
        return place(self.url)


class Response(Protocol):
    """An answer whose body has not been read yet. ``headers`` have lower-case names."""

    status: int
    url: str
    headers: Mapping[str, str]

    def pour(self, take: Take) -> AsyncGenerator[int, None]:
        """Give the body to who takes it, see :data:`~skyhaul.protocols.Pour`.

        Raises:
            ConnectionLost: it broke off, or nothing was heard for too long.
        """
        ...

    async def first(self, count: int) -> bytes:
        """What has arrived of the body, at most ``count`` bytes; waits until there is some."""
        ...

    def give_back(self) -> None:
        """Keep the connection for the next request if all of the body was read, else close it."""
        ...


class Wire(Protocol):
    """A way for requests to travel."""

    async def send(self, request: Request, ready: Ready) -> Response:
        """Send a request once it may be sent, and hear the head of its answer.

        Raises:
            HostUnreachable: no connection could be made.
            HostUntrusted: the certificate of the host does not verify.
            ConnectionLost: the connection broke, or nothing was heard for too long.
        """
        ...


def place(url: str) -> str:
    """Host and port: what stands before them is nobody's business."""
    return urlsplit(url).netloc.rpartition("@")[2]


def untrusted(request: Request, reason: object) -> HostUntrusted:
    """The error of a certificate that does not verify."""
    return HostUntrusted(
        f"the TLS certificate of {request.host} does not verify ({reason}): set SSL_CERT_FILE to the roots that sign it"
    )


def unreachable(request: Request, why: object) -> HostUnreachable:
    """The error of a host that no connection could be made to."""
    return HostUnreachable(
        f"{request.host} cannot be reached ({without_secrets(str(why))}): check the network, the proxy variables and the "
        "provider's URLs",
        known=request.known,
    )


def silent(request: Request) -> ConnectionLost:
    """The error of a connection on which nothing was heard for too long."""
    return ConnectionLost(f"{request.host}: nothing heard for too long")


def broken(request: Request, error: Exception) -> ConnectionLost:
    """The error of a connection that broke."""
    return ConnectionLost(f"{request.host}: the connection broke ({type(error).__name__})")
