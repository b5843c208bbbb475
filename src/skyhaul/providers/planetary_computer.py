"""Microsoft's Planetary Computer: found by STAC, files in Azure blobs that open to signed addresses alone.

A token signs every address in a container. It lasts for about an hour and is renewed before it ends, and once more where a blob refuses
it; what an object is called never changes with it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import anyio
import msgspec

from skyhaul.archives import Made, Means
from skyhaul.catalogue.stac_search import Words
from skyhaul.errors import AccessDenied, CatalogueError
from skyhaul.model import ByteRange, RemoteObject, Route
from skyhaul.protocols import Body, Source, Turn, Web
from skyhaul.providers.routes import road
from skyhaul.providers.stac import COMMON, Assets, Stac

MICROSOFT = "planetarycomputer.microsoft.com"
BLOBS = ".blob.core.windows.net"
MARGIN_S = 120.0

WORDS = Words(
    properties={**COMMON.properties, "tiles": "s2:mgrs_tile"},
    orders={"start": "properties.datetime"},
    tile="{}",
    uri="s2:product_uri",
    open=True,
    counts=False,
)

PAGE_SIZE = 200
"""Planetary Computer: at most 1000; a page of 200 is 6 MB."""


class _Granted(msgspec.Struct):
    token: str
    expiry: datetime = msgspec.field(name="msft:expiry")


@dataclass(slots=True)
class _Key:
    """What opens a container. Whoever needs it while it is asked for waits for that one request."""

    token: str | None = None
    good_until_s: float = 0.0
    lock: anyio.Lock = field(default_factory=anyio.Lock)


class Signer:
    """Signs addresses; a token is kept for each account and container.

    Microsoft signs what lies in its own blob stores; an archive made in its manner (a mirror) signs what it names, wherever that lies.
    """

    def __init__(self, web: Web, url: str) -> None:
        self._web = web
        self._url = url.rstrip("/")
        self._blobs = BLOBS if urlsplit(url).hostname == MICROSOFT else ""
        self._keys: dict[tuple[str, str], _Key] = {}

    async def signed(self, url: str) -> str:
        """The address with what opens it; one that needs nothing as it is.

        Raises:
            RemoteError: the archive did not say what opens it.
            CatalogueError: it answered with something else.
        """
        container = self._container(url)
        if container is None:
            return url
        key = self._keys.setdefault(container, _Key())
        async with key.lock:
            if key.token is None or time.time() >= key.good_until_s:
                granted = await self._granted(*container)
                key.token = granted.token.removeprefix("?")
                key.good_until_s = granted.expiry.replace(tzinfo=granted.expiry.tzinfo or UTC).timestamp() - MARGIN_S
            return f"{url}{'&' if urlsplit(url).query else '?'}{key.token}"

    def refused(self, signed: str) -> None:
        """The blob did not take this address: its token is not given out again."""
        key = self._keys.get(self._container(signed) or ("", ""))
        if key is not None and key.token is not None and signed.endswith(key.token):
            key.token = None

    def _container(self, url: str) -> tuple[str, str] | None:
        """The storage account and the container of what has to be signed."""
        parts = urlsplit(url)
        host, container = parts.hostname or "", parts.path.lstrip("/").partition("/")[0]
        return (host.partition(".")[0], container) if host.endswith(self._blobs) and container else None

    async def _granted(self, account: str, container: str) -> _Granted:
        try:
            return msgspec.json.decode(await self._web.get(f"{self._url}/token/{account}/{container}"), type=_Granted)
        except msgspec.DecodeError as error:
            raise CatalogueError(f"what signs {account}/{container} did not answer with a token ({error})") from error


@dataclass(frozen=True, slots=True)
class Signed:
    """A :class:`~skyhaul.protocols.Source` whose addresses are signed just before they are asked."""

    source: Source
    signer: Signer

    @property
    def route(self) -> Route:
        """See :class:`skyhaul.protocols.Source`."""
        return self.source.route

    @asynccontextmanager
    async def read(
        self, obj: RemoteObject, span: ByteRange | None, *, etag: str | None, turn: Turn | None = None
    ) -> AsyncIterator[Body]:
        """See :class:`skyhaul.protocols.Source`. An address that is refused is signed once more."""
        async with AsyncExitStack() as stack:
            url = await self.signer.signed(obj.location)
            try:
                body = await stack.enter_async_context(
                    self.source.read(replace(obj, location=url), span, etag=etag, turn=turn)
                )
            except AccessDenied:
                self.signer.refused(url)
                again = await self.signer.signed(obj.location)
                if again == url:
                    raise
                body = await stack.enter_async_context(
                    self.source.read(replace(obj, location=again), span, etag=etag, turn=turn)
                )
            yield body


def made(means: Means) -> Made:
    """See :class:`skyhaul.archives.Archive`. Pictures and tiles that the archive draws on demand are no files."""
    root = means.settings.catalogue_url
    api = root.removesuffix("/stac/v1")
    signer = Signer(means.web, means.settings.sign_url)
    sources: dict[Route, Source] = {route: Signed(source, signer) for route, source in means.sources.items()}
    shelf = Assets(
        web=means.web,
        name=means.archive,
        root=root,
        road=road(means),
        sources=sources,
        left_out=lambda href: href.startswith(f"{api}/data/"),
    )
    catalogue = Stac(name=means.archive, web=means.web, root=root, words=WORDS, shelf=shelf, page_size=PAGE_SIZE)
    return Made(provider=catalogue, sources=sources)
