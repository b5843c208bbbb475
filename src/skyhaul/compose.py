"""What a haul is made of, put together: sessions, tokens, sources, the provider. The only place that knows of all of them."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from anyio import create_task_group, move_on_after, to_thread

from skyhaul.archives import Account, Archive, Means, ProviderSettings
from skyhaul.catalogue.asking import Asking
from skyhaul.credentials import Credentials
from skyhaul.errors import SettingsError, SkyhaulError
from skyhaul.events import HostCooled, Meter
from skyhaul.limits import Allowance
from skyhaul.model import Route, Via
from skyhaul.protocols import Emit, Exchange, Provider, Sign, Source, Web
from skyhaul.providers import find
from skyhaul.retry import RetryPolicy
from skyhaul.settings import DownloadSettings, Settings
from skyhaul.sources.auth import Login, TokenSource
from skyhaul.sources.http import Http
from skyhaul.sources.ranged import RangedSource

if TYPE_CHECKING:
    from skyhaul.sources.s3 import S3


LOGOUT_S = 3.0
"""A session that cannot be ended in this time ends by itself, an hour after its login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a haul is made of. ``login`` is awaited with an address before it is fetched from, see :meth:`Http.login`."""

    archive: Archive
    provider: Provider
    sources: Mapping[Route, Source]
    allowance: Allowance
    retry: RetryPolicy
    meter: Meter
    emit: Emit
    login: Callable[[str], Awaitable[None]]
    tokens: TokenSource | None = None
    s3: S3 | None = None

    def asking(self, emit: Emit) -> Asking:
        """How the catalogue is asked for a run that ``emit`` is told of."""
        return Asking(host=self.archive.name, retry=self.retry, emit=emit)

    async def prepare(self, via: Via) -> None:
        """What the first request for bytes would wait for, done while the catalogue is asked: a login, imports.

        What fails here fails again where it is needed, and is told there. Where not all files want a login, it waits for one that does.
        """
        wanted = self.archive.account is not None and self.archive.account.needed
        async with create_task_group() as tasks:
            if self.tokens is not None and wanted and via != "s3":
                tasks.start_soon(_tried, self.tokens.token)
            if self.s3 is not None and via != "http":
                tasks.start_soon(to_thread.run_sync, self.s3.prepare)


@asynccontextmanager
async def composed(
    settings: Settings, account: Credentials, plain: Http, *, emit: Emit, meter: Meter
) -> AsyncIterator[Parts]:
    """The archive of the query, reached with ``plain`` as ``account``, whose session ends with the context."""
    parts = await _composed(settings, account, plain, emit=emit, meter=meter)
    try:
        yield parts
    finally:
        if parts.tokens is not None:
            with move_on_after(LOGOUT_S, shield=True), suppress(SkyhaulError):
                await parts.tokens.log_out()


async def _composed(settings: Settings, account: Credentials, plain: Http, *, emit: Emit, meter: Meter) -> Parts:
    archive, urls, retry = find(settings.query.provider), settings.provider, RetryPolicy()
    if archive.account is not None:
        plain = plain.of(archive.account, account.secrets)
    tokens = _tokens(plain, settings, account, retry, emit)
    s3 = _s3(archive.account, plain, urls, account)
    exchange, sign = _let_in(archive.account, plain, urls, account, tokens)
    sources: dict[Route, Source] = {}
    if archive.account is None or not archive.account.needed or tokens is not None or sign is not None:
        sources["http"] = RangedSource(exchange, route="http", bearer=tokens is not None, sign=sign)
    if s3 is not None:
        sources["s3"] = RangedSource(plain, route="s3", sign=s3.sign, prepare=s3.prepare)
    searching = archive.account is not None and archive.account.searching
    web: Web = Authorised(exchange=exchange, bearer=tokens is not None, sign=sign) if searching else plain
    made = archive.make(
        Means(archive=archive.name, web=web, settings=urls, sources=sources, lister=s3, account=archive.account)
    )
    if made.prepare is not None:
        await retry.call(made.prepare)
    return Parts(
        archive=archive,
        provider=made.provider,
        sources=made.sources,
        allowance=_allowance(settings, emit, meter),
        retry=retry,
        meter=meter,
        emit=emit,
        tokens=tokens,
        login=exchange.login,
        s3=s3,
    )


async def _tried(work: Callable[[], Awaitable[object]]) -> None:
    with suppress(SkyhaulError):
        await work()


def check_credentials(settings: Settings, wanted: DownloadSettings, account: Credentials) -> None:
    """See that there is what the wanted route asks for.

    Raises:
        AccessDenied: it is not set; says which variables to set.
        SettingsError: the archive has no such route.
    """
    archive = find(settings.query.provider)
    keys = archive.account is not None and archive.account.s3
    if wanted.via == "s3" and not keys:
        raise SettingsError(f"--via s3: {archive.name} is reached over HTTP alone")
    if not archive.parts and not wanted.wish().whole:
        raise SettingsError(
            f"{archive.name} gives whole products alone: leave --only, --exclude, --bands and --resolution out"
        )
    if archive.account is None or not archive.account.needed:
        return
    if wanted.via == "s3" or (keys and wanted.via == "auto" and not wanted.wish().whole):
        account.require_s3()
    elif wanted.via == "http" or not account.s3:
        account.require()


async def with_profile(archive: Archive, credentials: Credentials) -> Credentials:
    """The credentials with the keys of ``AWS_PROFILE``, where no others are given and the archive takes some."""
    profile = os.environ.get("AWS_PROFILE")
    if credentials.s3 or not profile or archive.account is None or not archive.account.s3:
        return credentials
    from skyhaul.sources.profiles import profile_keys  # noqa: PLC0415 aiobotocore is heavy

    access_key, secret_key = await profile_keys(profile, archive.account)
    return replace(credentials, s3_access_key=access_key, s3_secret_key=secret_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorised:
    """Small documents for those whom the archive lets in."""

    exchange: Exchange
    bearer: bool
    sign: Sign | None

    async def get(self, url: str) -> bytes:
        """See :class:`skyhaul.protocols.Web`."""
        return await self._asked("GET", url, {"Accept": "application/json"}, None)

    async def post(self, url: str, body: bytes, media_type: str) -> bytes:
        """See :class:`skyhaul.protocols.Web`."""
        return await self._asked("POST", url, {"Content-Type": media_type}, body)

    async def _asked(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        request = self.exchange.open(method, url, headers=headers, body=body, bearer=self.bearer, sign=self.sign)
        async with request as answer:
            return await answer.read()


def _allowance(settings: Settings, emit: Emit, meter: Meter) -> Allowance:
    urls, wanted = settings.provider, settings.download
    address = urls.download_url or urls.catalogue_url or urls.url
    host = urlsplit(address).hostname or settings.query.provider
    return Allowance(
        connections=(wanted and wanted.connections) or urls.connections,
        meter=meter,
        requests_per_minute=urls.requests_per_minute,
        max_bytes_per_s=wanted.max_rate if wanted else None,
        cooled=lambda seconds, reason: emit(HostCooled(host=host, seconds=seconds, reason=reason)),
    )


def _let_in(
    account: Account | None, plain: Http, urls: ProviderSettings, credentials: Credentials, tokens: TokenSource | None
) -> tuple[Http, Sign | None]:
    """How the archive's own hosts are shown who asks; other hosts are not."""
    addresses = (urls.url, urls.catalogue_url, urls.download_url, urls.stac_url, urls.sign_url)
    trusted = frozenset(urlsplit(url).netloc for url in addresses if url)
    if tokens is not None:
        return plain.with_tokens(tokens, trusted), None
    shown = _shown(account, credentials) if account is not None else {}

    def sign(_method: str, url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        return {**headers, **shown} if urlsplit(url).netloc in trusted else headers

    return plain, sign if shown else None


def _shown(account: Account, credentials: Credentials) -> Mapping[str, str]:
    """The headers that say who asks."""
    if account.way == "header" and credentials.api_key:
        return {account.header: credentials.api_key}
    if account.way == "basic" and credentials.login:
        pair = ":".join(credentials.require_login())
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    return {}


def _tokens(
    plain: Http, settings: Settings, credentials: Credentials, retry: RetryPolicy, emit: Emit
) -> TokenSource | None:
    account, url = find(settings.query.provider).account, settings.provider.token_url
    if account is None or account.way != "oidc" or not credentials.login:
        return None
    username, password = credentials.require_login()
    login = Login(
        username=username,
        password=password,
        totp_secret=credentials.totp_secret,
        client_id=account.client_id,
        prefix=account.prefix,
        made_at=account.made_at,
    )
    host = urlsplit(url).hostname or ""

    def again(error: SkyhaulError, wait_s: float) -> None:
        emit(HostCooled(host=host, seconds=wait_s, reason=f"login: {error}"))

    return TokenSource(plain, url, login, retry=retry, on_retry=again)


def _s3(account: Account | None, plain: Http, urls: ProviderSettings, credentials: Credentials) -> S3 | None:
    if account is None or not account.s3 or not credentials.s3:
        return None
    from skyhaul.sources.s3 import S3  # noqa: PLC0415 few archives need it

    access_key, secret_key = credentials.require_s3()
    return S3(plain, endpoint=urls.s3_url, region=urls.s3_region, access_key=access_key, secret_key=secret_key)
