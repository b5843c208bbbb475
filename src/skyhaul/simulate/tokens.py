"""Identities: password, refresh and client-credentials grants in Keycloak's manner, with sessions and their end."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pyotp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from skyhaul.simulate.scenario import Scenario

KEY_ID = "embedded-archive"
PUBLIC_AUDIENCE = "CLOUDFERRO_PUBLIC"
SERVICE_AUDIENCE = "account"
SCOPE = "AUDIENCE_PUBLIC openid email profile ondemand_processing user-context"


class GrantRefusedError(Exception):
    """A grant that is refused, as Keycloak words it."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description


class TokenExpiredError(Exception):
    """An access token that was never valid here or no longer is."""


class WrongAudienceError(Exception):
    """An access token that is valid, but not on this host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Access:
    expires_s: float
    audience: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    id: str
    expires_s: float


class Identity:
    """Issues tokens and knows which of them live.

    Access tokens are JWTs signed with HS256 under a key that ``keys`` publishes, so that clients which
    check signatures work: nothing here is worth protecting. A session lasts from its login until
    ``refresh_lifetime_s`` later; whether refreshing extends it at CDSE is not known, here it does not.
    """

    def __init__(self, scenario: Scenario, *, clock: Callable[[], float] = time.time) -> None:
        self.scenario = scenario
        self.issued: Counter[str] = Counter()
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._access: dict[str, _Access] = {}
        self._refresh: dict[str, _Session] = {}
        self._sessions: dict[str, _Session] = {}

    def grant(self, form: Mapping[str, str], issuer: str, *, dies_after_s: float | None = None) -> dict[str, Any]:
        """Answer a token request. ``dies_after_s`` ends the access token early, unknown to its reply.

        Raises:
            GrantRefusedError: with status and words of the reply.
        """
        self._forget_expired()
        match form.get("grant_type"):
            case "password":
                reply = self._reply(self._log_in(form), issuer, dies_after_s)
            case "refresh_token":
                reply = self._reply(self._resume(form), issuer, dies_after_s)
            case "client_credentials":
                reply = self._service_reply(form, issuer, dies_after_s)
            case None:
                raise GrantRefusedError(400, "invalid_request", "Missing form parameter: grant_type")
            case "urn:ietf:params:oauth:grant-type:device_code":
                raise GrantRefusedError(400, "unauthorized_client", "Client not allowed for device code grant")
            case _:
                raise GrantRefusedError(400, "unsupported_grant_type", "Unsupported grant_type")
        self.issued[form["grant_type"]] += 1
        return reply

    def check(self, token: str, audience: str = PUBLIC_AUDIENCE) -> None:
        """Whether ``token`` opens a host that asks for ``audience``.

        Raises:
            TokenExpiredError: unknown, ended or ended early.
            WrongAudienceError: of another kind.
        """
        access = self._access.get(token)
        if access is None or access.expires_s <= self._clock():
            raise TokenExpiredError
        if access.audience != audience:
            raise WrongAudienceError

    def sessions(self) -> int:
        """Sessions that have not ended."""
        self._forget_expired()
        return len(self._sessions)

    def log_out(self, refresh_token: str) -> None:
        """End the session a refresh token belongs to."""
        session = self._refresh.pop(refresh_token, None)
        if session is not None:
            self._sessions.pop(session.id, None)

    def expire_access(self) -> None:
        """End every access token now; sessions live on."""
        self._access.clear()

    def keys(self) -> dict[str, Any]:
        """The JWKS document."""
        key = {"kty": "oct", "kid": KEY_ID, "alg": "HS256", "use": "sig", "k": _base64(self._key)}
        return {"keys": [key]}

    def _log_in(self, form: Mapping[str, str]) -> _Session:
        scenario = self.scenario
        self._check_public_client(form)
        known = form.get("username") == scenario.username and form.get("password") == scenario.password
        if not known or not self._totp_holds(form.get("totp", "")):
            raise GrantRefusedError(401, "invalid_grant", "Invalid user credentials")
        if len(self._sessions) >= scenario.max_sessions:
            # How CDSE words it is not known; 429 is what its other limits use.
            raise GrantRefusedError(429, "invalid_grant", f"Max session number {scenario.max_sessions} exceeded")
        session = _Session(id=str(uuid4()), expires_s=self._clock() + scenario.refresh_lifetime_s)
        self._sessions[session.id] = session
        return session

    def _resume(self, form: Mapping[str, str]) -> _Session:
        self._check_public_client(form)
        session = self._refresh.get(form.get("refresh_token", ""))
        if session is None or session.id not in self._sessions:
            raise GrantRefusedError(400, "invalid_grant", "Token is not active")
        return session

    def _check_public_client(self, form: Mapping[str, str]) -> None:
        if form.get("client_id") != self.scenario.client_id:
            raise GrantRefusedError(401, "invalid_client", "Invalid client or Invalid client credentials")

    def _totp_holds(self, digits: str) -> bool:
        secret = self.scenario.totp_secret
        return secret is None or pyotp.TOTP(secret).verify(digits, valid_window=1)

    def _reply(self, session: _Session, issuer: str, dies_after_s: float | None) -> dict[str, Any]:
        refresh_token = self._signed({"typ": "Refresh", "sid": session.id, "iss": issuer}, session.expires_s)
        self._refresh[refresh_token] = session
        return {
            "access_token": self._access_token(PUBLIC_AUDIENCE, issuer, session.id, dies_after_s),
            "expires_in": int(self.scenario.token_lifetime_s),
            "refresh_expires_in": int(session.expires_s - self._clock()),
            "refresh_token": refresh_token,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "session_state": session.id,
            "scope": SCOPE,
        }

    def _service_reply(self, form: Mapping[str, str], issuer: str, dies_after_s: float | None) -> dict[str, Any]:
        scenario = self.scenario
        if form.get("client_id") == scenario.client_id:
            raise GrantRefusedError(400, "unauthorized_client", "Public client not allowed to retrieve service account")
        if (form.get("client_id"), form.get("client_secret")) != (
            scenario.service_client_id,
            scenario.service_client_secret,
        ):
            raise GrantRefusedError(401, "invalid_client", "Invalid client or Invalid client credentials")
        return {
            "access_token": self._access_token(SERVICE_AUDIENCE, issuer, None, dies_after_s),
            "expires_in": int(scenario.token_lifetime_s),
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": "email profile user-context",
        }

    def _access_token(self, audience: str, issuer: str, session: str | None, dies_after_s: float | None) -> str:
        lifetime_s = self.scenario.token_lifetime_s
        now = self._clock()
        claims = {"typ": "Bearer", "iss": issuer, "aud": [audience], "azp": self.scenario.client_id, "scope": SCOPE}
        owner = {"sid": session, "preferred_username": self.scenario.username} if session else {}
        token = self._signed(claims | owner, now + lifetime_s)
        real_s = lifetime_s if dies_after_s is None else min(dies_after_s, lifetime_s)
        self._access[token] = _Access(expires_s=now + real_s, audience=audience)
        return token

    def _signed(self, claims: Mapping[str, Any], expires_s: float) -> str:
        header = {"alg": "HS256", "typ": "JWT", "kid": KEY_ID}
        dates = {"exp": int(expires_s), "iat": int(self._clock()), "jti": str(uuid4()), "sub": self.scenario.username}
        text = ".".join(_base64(msgspec.json.encode(part)) for part in (header, {**dates, **claims}))
        return f"{text}.{_base64(hmac.new(self._key, text.encode(), hashlib.sha256).digest())}"

    def _forget_expired(self) -> None:
        now = self._clock()
        self._access = {token: access for token, access in self._access.items() if access.expires_s > now}
        self._sessions = {id_: session for id_, session in self._sessions.items() if session.expires_s > now}
        self._refresh = {token: session for token, session in self._refresh.items() if session.expires_s > now}


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
