"""OpenID Connect tokens: one for all, renewed once for all, before it expires. Home of pyotp.

CDSE (Keycloak, realm CDSE): an access token lasts 10 minutes, a refresh token 60; each login opens one of at most 100 sessions,
so a run logs in once, refreshes, and logs out. Only password-grant tokens of ``cdse-public`` open the download host.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlencode

import anyio
import msgspec

from skyhaul.errors import AccessDenied, CatalogueError, LoginRefused, RequestRefused, SettingsError
from skyhaul.retry import OnRetry, RetryPolicy

MARGIN_S = 60.0
FORM = "application/x-www-form-urlencoded"


class Poster(Protocol):
    """Who can post a form."""

    async def post(self, url: str, body: bytes, media_type: str) -> bytes:
        """The body of a successful answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a person has to log in with. Never printed.

    ``prefix`` begins the variables that it is set in, ``made_at`` is where accounts are made.
    """

    username: str = field(repr=False)
    password: str = field(repr=False)
    totp_secret: str | None = field(default=None, repr=False)
    client_id: str = "cdse-public"
    prefix: str = field(default="CDSE", repr=False)
    made_at: str = field(default="https://dataspace.copernicus.eu", repr=False)

    def form(self) -> dict[str, str]:
        """The fields of a password grant; with two factors, the code of this half minute.

        Raises:
            SettingsError: the secret of the second factor is none.
        """
        fields = {
            "client_id": self.client_id,
            "grant_type": "password",
            "username": self.username,
            "password": self.password,
        }
        if self.totp_secret:
            import pyotp  # noqa: PLC0415 only accounts with two factors need it

            try:
                fields["totp"] = pyotp.TOTP(self.totp_secret.replace(" ", "")).now()
            except ValueError:
                raise SettingsError(
                    f"{self.prefix}_TOTP_SECRET is not the secret of a second factor: letters A to Z and digits 2 to 7, as shown when "
                    "two-factor login was set up (not one of its six-digit codes)"
                ) from None
        return fields


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float = 600.0
    refresh_token: str | None = None
    refresh_expires_in: float = 0.0


class TokenSource:
    """The token of one account.

    Whoever needs it while it is being renewed waits for that one request. ``margin_s`` before its end it is renewed, by the refresh token
    while that lasts, else by logging in again.
    """

    def __init__(
        self,
        http: Poster,
        url: str,
        login: Login,
        *,
        retry: RetryPolicy,
        on_retry: OnRetry | None = None,
        margin_s: float = MARGIN_S,
    ) -> None:
        self._http = http
        self._url = url
        self._login = login
        self._retry = retry
        self._on_retry = on_retry
        self._margin_s = margin_s
        self._lock = anyio.Lock()
        self._token: str | None = None
        self._good_until = 0.0
        self._refresh: str | None = None
        self._refresh_until = 0.0
        self._login_refused: str | None = None

    async def token(self) -> str:
        """A token that lasts a little longer.

        Raises:
            AccessDenied: the identity provider refuses the account.
        """
        async with self._lock:
            if self._token is not None and time.monotonic() < self._good_until:
                return self._token
            if self._login_refused is not None:
                raise LoginRefused(self._login_refused)  # accounts are locked when they are tried again and again
            return await self._renew()

    def refused(self, token: str) -> None:
        """The host did not take ``token``. The next asker gets a new one."""
        if token == self._token:
            self._token = None

    async def log_out(self) -> None:
        """End the session, which would count against the account for another hour; nothing where there is none, or no way to.

        Raises:
            SkyhaulError: it could not be ended.
        """
        # Keycloak, as every identity provider here is: the logout lies beside the token.
        protocol, _, name = self._url.rpartition("/")
        if self._refresh is not None and name == "token":
            form = {"client_id": self._login.client_id, "refresh_token": self._refresh}
            await self._http.post(f"{protocol}/logout", urlencode(form).encode(), FORM)

    async def _renew(self) -> str:
        if self._refresh is not None and time.monotonic() < self._refresh_until:
            try:
                return await self._grant(self._refreshing)
            except AccessDenied:
                self._refresh = None  # revoked or expired early: log in again
        try:
            return await self._grant(self._login.form)
        except AccessDenied as error:
            self._login_refused = (
                f"the login was refused ({error}): check {self._login.prefix}_USERNAME and {self._login.prefix}_PASSWORD, and "
                f"{self._login.prefix}_TOTP_SECRET if the account has two-factor login; accounts are made at {self._login.made_at}"
            )
            raise LoginRefused(self._login_refused) from None

    def _refreshing(self) -> dict[str, str]:
        return {
            "client_id": self._login.client_id,
            "grant_type": "refresh_token",
            "refresh_token": self._refresh or "",
        }

    async def _grant(self, form: Callable[[], dict[str, str]]) -> str:
        async def once() -> bytes:
            try:
                # The form is made for each attempt: the code of a second factor is good for half a minute.
                return await self._http.post(self._url, urlencode(form()).encode(), FORM)
            except RequestRefused as error:
                raise AccessDenied(str(error)) from error

        try:
            reply = await self._retry.call(once, self._on_retry)
            granted = msgspec.json.decode(reply, type=_Granted)
        except msgspec.DecodeError as error:
            raise CatalogueError(f"the identity provider's answer is not a token ({error})") from error
        now = time.monotonic()
        self._token = granted.access_token
        self._good_until = now + granted.expires_in - min(self._margin_s, granted.expires_in / 4)
        self._refresh = granted.refresh_token or self._refresh
        if granted.refresh_token:
            self._refresh_until = now + (granted.refresh_expires_in or granted.expires_in) - self._margin_s
        return granted.access_token
