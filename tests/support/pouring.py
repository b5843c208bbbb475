"""Bodies as sources give them, made of chunks; and read to their end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from anyio import to_thread

from skyhaul.protocols import Pour, Take


def pouring(chunks: AsyncIterator[bytes]) -> Pour:
    """A body that comes in ``chunks``, each of them taken on a thread. It is poured once."""

    async def pour(take: Take) -> AsyncGenerator[int, None]:
        async for chunk in chunks:
            await to_thread.run_sync(take, [chunk])
            yield len(chunk)

    return pour


async def poured(pour: Pour) -> bytes:
    """All of a body."""
    body = bytearray()

    def take(pieces):
        for piece in pieces:
            body.extend(piece)

    async with aclosing(pour(take)) as sizes:
        assert sum([size async for size in sizes]) == len(body)
    return bytes(body)
