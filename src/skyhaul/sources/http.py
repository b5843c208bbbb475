"""The one HTTP engine: requests, redirects followed by hand, tokens, errors. How requests travel is the business of its wire.

TLS is always verified (``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` add roots), proxy variables are honoured, there is no total
timeout: a healthy slow transfer may last for hours, a silent one is given up after ``stall_s``.
"""

from __future__ import annotations

import time
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urljoin, urlsplit

import anyio

from skyhaul.archives import ANYONE, Account
from skyhaul.discreet import without_secrets
from skyhaul.errors import (
    AccessDenied,
    HostBusy,
    RequestRefused,
    SettingsError,
    TokenRefused,
)
from skyhaul.protocols import Answer, Sign, Turn
from skyhaul.sources import wire as wires
from skyhaul.sources.replies import error_of
from skyhaul.sources.wire import Request, Response, Wire, place

REDIRECTS_MAX = 8
ERROR_BODY_BYTES = 16_384
SIGNED_FOR_S = 60.0
"""S3 takes a signature for a quarter of an hour; a turn may be longer in coming."""

GOOD = frozenset({200, 201, 204, 206})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FORM = "application/x-www-form-urlencoded"
"""What logins are sent as."""


class Tokens(Protocol):
    """Who can say what the account's token is."""

    async def token(self) -> str:
        """A token that is good for at least a request."""
        ...

    def refused(self, token: str) -> None:
        """The host did not take ``token``: do not give it out again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    sign: Sign | None = field(default=None, repr=False)
    turn: Turn | None = field(default=None, repr=False)
    tokens: Tokens | None = field(default=None, repr=False)
    large: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """An answer, what was asked, and the token that the host was shown for it."""

    response: Response
    ask: _Ask
    token: str | None = field(repr=False)


class Http:
    """Connections of one run to all hosts.

    Args:
        wire: opened by :func:`opened`; closed there too.
        tokens: gives the Bearer token; ``None`` for archives that need none.
        trusted: ``host:port`` of the provider's own services, the only ones that the token is sent to.
        account: whose variables an error names where a host refuses what was shown to it.
        secrets: what no error repeats, even if a host does.

    A host that names a time (``Retry-After``) is sent nothing before it has passed, by nobody.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        tokens: Tokens | None = None,
        trusted: frozenset[str] = frozenset(),
        account: Account = ANYONE,
        secrets: Sequence[str] = (),
    ) -> None:
        self._wire = wire
        self._tokens = tokens
        self._trusted = trusted
        self._account = account
        self._secrets = secrets
        self._proxies = Proxies()
        self._answered: set[str] = set()
        self._quiet_until: dict[str, float] = {}

    def with_tokens(self, tokens: Tokens, trusted: frozenset[str]) -> Http:
        """The same connections, with a token for the hosts that are trusted."""
        return self._alike(
            Http(self._wire, tokens=tokens, trusted=trusted, account=self._account, secrets=self._secrets)
        )

    def of(self, account: Account, secrets: Sequence[str] = ()) -> Http:
        """The same connections, for requests that show what ``account`` takes: ``secrets``, and tokens for them."""
        return self._alike(
            Http(self._wire, tokens=self._tokens, trusted=self._trusted, account=account, secrets=secrets)
        )

    def _alike(self, other: Http) -> Http:
        other._answered, other._quiet_until = self._answered, self._quiet_until
        return other

    async def login(self, url: str) -> None:
        """Have the token ready that a request for ``url`` is sent with; nothing where none is.

        Raises:
            LoginRefused: the account is not let in.
        """
        if self._tokens is not None and self._trusts(url):
            await self._tokens.token()

    def _trusts(self, url: str) -> bool:
        return urlsplit(url).netloc in self._trusted

    @asynccontextmanager
    async def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        bearer: bool = False,
        sign: Sign | None = None,
        turn: Turn | None = None,
        large: bool = False,
    ) -> AsyncIterator[Answer]:
        """See :class:`skyhaul.protocols.Exchange`. A token that is refused is renewed once."""
        _check_url(url)
        tokens = self._tokens if bearer else None
        ask = _Ask(
            method=method,
            url=url,
            headers=headers or {},
            body=body,
            sign=sign,
            turn=turn,
            tokens=tokens,
            large=large,
        )
        reply = await self._authorised(ask)
        response = reply.response
        try:
            if response.status not in GOOD:
                raise await self._error(reply)
            yield Answer(status=response.status, url=response.url, headers=response.headers, pour=response.pour)
        finally:
            response.give_back()

    async def get(self, url: str, *, bearer: bool = False) -> bytes:
        """The whole body of a GET."""
        async with self.open("GET", url, headers={"Accept": "application/json"}, bearer=bearer) as answer:
            return await answer.read()

    async def post(self, url: str, body: bytes, media_type: str) -> bytes:
        """The whole body of the answer to a POST."""
        async with self.open("POST", url, headers={"Content-Type": media_type}, body=body) as answer:
            return await answer.read()

    async def _authorised(self, ask: _Ask) -> _Reply:
        reply = await self._follow(ask)
        if ask.tokens is None or reply.token is None or reply.response.status != HTTPStatus.UNAUTHORIZED:
            return reply
        try:
            error = await self._error(reply)
        finally:
            reply.response.give_back()
        if not isinstance(error, TokenRefused):
            raise error
        ask.tokens.refused(reply.token)
        return await self._follow(ask)

    async def _follow(self, ask: _Ask) -> _Reply:
        seen = {ask.url}
        while True:
            token = await self._token(ask)
            response = await self._once(ask, token)
            if response.status not in REDIRECTS or "location" not in response.headers:
                return _Reply(response=response, ask=ask, token=token)
            response.give_back()
            target = _redirected(ask.url, response.headers["location"], seen)
            _check_discreet(ask, target)
            seen.add(target)
            # RFC 9110 turns a POST into a GET on 303 alone; CDSE bursts must stay POST across a 301.
            see_other = response.status == HTTPStatus.SEE_OTHER
            ask = replace(
                ask, url=target, method="GET" if see_other else ask.method, body=None if see_other else ask.body
            )

    async def _token(self, ask: _Ask) -> str | None:
        """The token that ``ask`` is sent with: no other host has to wait, or fail, for a login that it is not shown."""
        if ask.tokens is None or not self._trusts(ask.url):
            return None
        if ask.turn is not None:
            await ask.turn()  # which may be long in coming: longer than a token lasts
        return await ask.tokens.token()

    async def _once(self, ask: _Ask, token: str | None) -> Response:
        headers = dict(ask.headers)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        host = place(ask.url)
        signed_s = time.monotonic()

        async def ready() -> Mapping[str, str] | None:
            if ask.turn is not None:
                await ask.turn()
            if (quiet_s := self._quiet_until.get(host, 0.0) - time.monotonic()) > 0:
                await anyio.sleep(quiet_s)
            stale = ask.sign is not None and time.monotonic() - signed_s > SIGNED_FOR_S
            return ask.sign(ask.method, ask.url, headers) if ask.sign is not None and stale else None

        request = Request(
            method=ask.method,
            url=ask.url,
            headers=ask.sign(ask.method, ask.url, headers) if ask.sign else headers,
            body=ask.body,
            large=ask.large,
            proxy=self._proxies.of(ask.url),
            known=host in self._answered,
        )
        response = await self._wire.send(request, ready)
        self._answered.add(host)
        return response

    async def _error(self, reply: _Reply) -> Exception:
        """The error of an unsuccessful answer; reads a little of its body."""
        response = reply.response
        body = await response.first(ERROR_BODY_BYTES)
        shown = self._account if _signed(reply.ask) else None
        error = error_of(response.status, response.url, response.headers, body, shown=shown, secrets=self._secrets)
        if isinstance(error, HostBusy) and error.retry_after_s:
            self._quiet_until[place(response.url)] = time.monotonic() + error.retry_after_s
        return error


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise RequestRefused(f"{without_secrets(url)[:200]!r} is not a URL that can be asked", status=400)


def _redirected(url: str, location: str, seen: set[str]) -> str:
    """Where ``url`` redirects to, if it may."""
    here = urlsplit(url)
    try:
        target = urljoin(url, location)
        there = urlsplit(target)
    except ValueError:
        raise RequestRefused(f"{here.hostname} redirects to what is no URL", status=310) from None
    if target in seen or len(seen) > REDIRECTS_MAX:
        raise RequestRefused(f"{here.hostname} redirects in a circle", status=310)
    if there.scheme not in {"http", "https"} or (here.scheme == "https" and there.scheme == "http"):
        raise AccessDenied(f"{here.hostname} redirects to {there.scheme}://{there.hostname}, which is not safe")
    _check_url(target)
    return target


def _check_discreet(ask: _Ask, target: str) -> None:
    """Refuse to take to another host what was meant for the first: a login, or a signature that names a key."""
    here, there = place(ask.url), place(target)
    if urlsplit(ask.url).netloc != urlsplit(target).netloc and (
        ask.sign is not None or ask.headers.get("Content-Type") == _FORM
    ):
        raise AccessDenied(f"{here} redirects to {there}, which is not told the credentials: check the provider's URLs")


def _signed(ask: _Ask) -> bool:
    """Whether keys of the account went along: some are shown to the archive's own hosts alone."""
    return ask.sign is not None and ask.sign(ask.method, ask.url, ask.headers) != ask.headers


class Proxies:
    """The proxies that the environment names, read once as curl and requests read them (``NO_PROXY`` honoured)."""

    def __init__(self) -> None:
        self._by_scheme = urllib.request.getproxies()
        self._bypass: dict[str, bool] = {}

    def of(self, url: str) -> str | None:
        """The proxy for ``url``, if it goes through one."""
        if not self._by_scheme:
            return None
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host not in self._bypass:
            self._bypass[host] = bool(urllib.request.proxy_bypass(host))
        named = None if self._bypass[host] else self._by_scheme.get(parts.scheme) or self._by_scheme.get("all")
        return _usable(named) if named else None


def _usable(proxy: str) -> str:
    """The proxy with its scheme, which may be left out."""
    url = proxy if "://" in proxy else f"http://{proxy}"
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in {"http", "https"} or not rest.rpartition("@")[2].strip("/"):
        raise SettingsError(
            f"the proxy variables name {scheme}://{rest.rpartition('@')[2]}, which cannot be used: an HTTP proxy is needed, "
            "as in http://proxy:3128, or NO_PROXY for hosts that are reached without"
        )
    return url


@asynccontextmanager
async def opened(*, stall_s: float = 60.0, connect_s: float = 20.0) -> AsyncIterator[Http]:
    """An HTTP engine that lasts as long as the context."""
    async with wires.opened(stall_s=stall_s, connect_s=connect_s) as wire:
        yield Http(wire)
