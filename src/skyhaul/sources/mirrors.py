"""Several addresses of the same bytes: where one does not serve them, the next one is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from skyhaul.errors import HostUnreachable, RemoteError
from skyhaul.model import ByteRange, RemoteObject, Route
from skyhaul.protocols import Body, Source, Turn


class Mirrored:
    """A source that tries the mirrors of an object in their order, and begins with the one that served last.

    A host that cannot be reached fails the objects that are there, not the run: files of a list come from many hosts.
    """

    def __init__(self, source: Source) -> None:
        self.route: Route = source.route
        self._source = source
        self._served: dict[str, str] = {}

    @asynccontextmanager
    async def read(
        self, obj: RemoteObject, span: ByteRange | None, *, etag: str | None, turn: Turn | None = None
    ) -> AsyncIterator[Body]:
        """See :class:`skyhaul.protocols.Source`. What breaks off midway is the caller's to ask for again."""
        async with AsyncExitStack() as opened:
            yield await self._open(opened, obj, span, etag, turn)

    async def _open(
        self, opened: AsyncExitStack, obj: RemoteObject, span: ByteRange | None, etag: str | None, turn: Turn | None
    ) -> Body:
        failures: list[RemoteError] = []
        for url in self._in_order(obj):
            try:
                body = await opened.enter_async_context(
                    self._source.read(replace(obj, location=url), span, etag=etag, turn=turn)
                )
            except RemoteError as error:
                failures.append(error)
            else:
                if obj.mirrors:
                    self._served[obj.location] = url
                return body
        # One that may serve later is worth waiting for; else the first choice is what people know.
        raise next((error for error in failures if error.transient and not error.fatal), _of_one(failures[0]))

    def _in_order(self, obj: RemoteObject) -> list[str]:
        urls = [obj.location, *obj.mirrors]
        first = urls.index(self._served.get(obj.location, obj.location))
        return urls[first:] + urls[:first]


def _of_one(error: RemoteError) -> RemoteError:
    """The error of one file: a host that was never reached says nothing of the hosts of others."""
    return RemoteError(str(error)) if isinstance(error, HostUnreachable) and error.fatal else error
