"""Grants in Keycloak's manner: what opens, what is refused and in which words, and when things end."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

import pyotp
import pytest

from skyhaul.simulate.scenario import Scenario
from skyhaul.simulate.tokens import GrantRefusedError, Identity, TokenExpiredError, WrongAudienceError

ISSUER = "http://127.0.0.1:1/auth/realms/CDSE"
LOGIN = {
    "grant_type": "password",
    "client_id": "cdse-public",
    "username": "demo@example.org",
    "password": "demo-password",
}
SERVICE = {"grant_type": "client_credentials", "client_id": "sh-demo", "client_secret": "demo-client-secret"}


@dataclass
class Clock:
    now_s: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def identity(clock: Clock) -> Identity:
    return Identity(Scenario(), clock=clock)


def refusal(identity: Identity, form: dict[str, str]) -> tuple[int, str]:
    with pytest.raises(GrantRefusedError) as caught:
        identity.grant(form, ISSUER)
    return caught.value.status, caught.value.error


def test_a_login_opens_the_download_host_for_ten_minutes(identity, clock):
    reply = identity.grant(LOGIN, ISSUER)
    assert (reply["expires_in"], reply["refresh_expires_in"], reply["token_type"]) == (600, 3600, "Bearer")
    clock.now_s += 599
    identity.check(reply["access_token"])
    clock.now_s += 1
    with pytest.raises(TokenExpiredError):
        identity.check(reply["access_token"])


def test_an_access_token_reads_as_a_jwt(identity, clock):
    header, claims, _ = identity.grant(LOGIN, ISSUER)["access_token"].split(".")
    decoded = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims)]
    assert decoded[0]["alg"] == "HS256"
    assert decoded[1]["exp"] == int(clock.now_s) + 600
    assert decoded[1]["iss"] == ISSUER


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"password": "wrong"}, (401, "invalid_grant")),
        ({"username": "nobody"}, (401, "invalid_grant")),
        ({"client_id": "another"}, (401, "invalid_client")),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, (400, "unauthorized_client")),
        ({"grant_type": "magic"}, (400, "unsupported_grant_type")),
        ({"grant_type": "refresh_token", "refresh_token": "made-up"}, (400, "invalid_grant")),
        ({"grant_type": "client_credentials"}, (400, "unauthorized_client")),
        ({"grant_type": "client_credentials", "client_id": "sh-demo"}, (401, "invalid_client")),
    ],
)
def test_refusals_have_keycloaks_words(identity, change, expected):
    assert refusal(identity, {**LOGIN, **change}) == expected


def test_a_form_without_a_grant_type_is_an_invalid_request(identity):
    assert refusal(identity, {}) == (400, "invalid_request")


def test_a_refresh_token_serves_several_times_and_never_outlives_its_session(identity, clock):
    first = identity.grant(LOGIN, ISSUER)
    refresh = {**LOGIN, "grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    clock.now_s += 3000
    assert identity.grant(refresh, ISSUER)["refresh_expires_in"] == 600
    identity.check(identity.grant(refresh, ISSUER)["access_token"])
    clock.now_s += 600
    assert refusal(identity, refresh) == (400, "invalid_grant")


def test_logins_beyond_the_allowed_sessions_are_refused_until_one_ends(clock):
    identity = Identity(Scenario(max_sessions=2), clock=clock)
    first = identity.grant(LOGIN, ISSUER)
    identity.grant(LOGIN, ISSUER)
    assert refusal(identity, LOGIN)[0] == 429
    identity.log_out(first["refresh_token"])
    assert identity.sessions() == 1
    identity.grant(LOGIN, ISSUER)
    clock.now_s += 3600
    assert identity.sessions() == 0


def test_a_service_account_is_known_and_of_another_audience(identity):
    with pytest.raises(WrongAudienceError):
        identity.check(identity.grant(SERVICE, ISSUER)["access_token"])


def test_with_two_factors_the_six_digits_decide(clock):
    secret = pyotp.random_base32()
    identity = Identity(Scenario(totp_secret=secret), clock=clock)
    assert refusal(identity, LOGIN) == (401, "invalid_grant")
    assert refusal(identity, {**LOGIN, "totp": "000000x"}) == (401, "invalid_grant")
    identity.grant({**LOGIN, "totp": pyotp.TOTP(secret).now()}, ISSUER)


def test_a_token_can_die_before_its_reply_says_so(identity, clock):
    reply = identity.grant(LOGIN, ISSUER, dies_after_s=2)
    assert reply["expires_in"] == 600
    clock.now_s += 2
    with pytest.raises(TokenExpiredError):
        identity.check(reply["access_token"])


def test_issued_tokens_are_counted_by_grant(identity):
    first = identity.grant(LOGIN, ISSUER)
    identity.grant({**LOGIN, "grant_type": "refresh_token", "refresh_token": first["refresh_token"]}, ISSUER)
    refusal(identity, {**LOGIN, "password": "wrong"})
    assert identity.issued == {"password": 1, "refresh_token": 1}
