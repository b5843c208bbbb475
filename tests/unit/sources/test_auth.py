from __future__ import annotations

from urllib.parse import parse_qs

import anyio
import msgspec
import pyotp
import pytest
from anyio.lowlevel import checkpoint

from skyhaul.errors import (
    AccessDenied,
    CatalogueError,
    HostBusy,
    HostUnreachable,
    LoginRefused,
    RequestRefused,
    SettingsError,
    TokenRefused,
)
from skyhaul.retry import RetryPolicy
from skyhaul.sources import auth
from skyhaul.sources.auth import FORM, Login, TokenSource

URL = "https://identity/token"
PASSWORD = "p&ss+w%rd ü"
SEED = "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP"
LOGIN = Login(username="me@example.org", password=PASSWORD)
RETRY = RetryPolicy(attempts=4, wait_initial_s=0.0, wait_max_s=0.0)


class Identity:
    """An identity provider in memory: grants are numbered, what is in ``script`` comes first."""

    def __init__(self, *script, **grant):
        self.script = list(script)
        self.grant = {"expires_in": 600, "refresh_expires_in": 3600, "refresh_token": "r{}", **grant}
        self.forms = []

    async def post(self, url, body, media_type):
        assert (url, media_type) == (URL, FORM)
        self.forms.append({name: value for name, [value] in parse_qs(body.decode()).items()})
        number = len(self.forms)
        await checkpoint()
        if self.script:
            step = self.script.pop(0)
            if isinstance(step, Exception):
                raise step
            if step is not None:
                return step
        reply = {"access_token": f"a{number}", **self.grant}
        reply["refresh_token"] = reply["refresh_token"].format(number) if reply["refresh_token"] else None
        return msgspec.json.encode(reply)

    @property
    def grants(self):
        return [form["grant_type"] for form in self.forms]


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(auth, "time", clock)
    return clock


def tokens(identity, login=LOGIN):
    return TokenSource(identity, URL, login, retry=RETRY)


async def test_a_login_sends_what_the_person_has():
    identity = Identity()
    assert await tokens(identity).token() == "a1"
    assert identity.forms == [
        {"client_id": "cdse-public", "grant_type": "password", "username": "me@example.org", "password": PASSWORD}
    ]


async def test_fifty_askers_make_one_login():
    identity = Identity()
    source = tokens(identity)
    given = []

    async def ask():
        given.append(await source.token())

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(ask)
    assert given == ["a1"] * 50
    assert identity.grants == ["password"]


async def test_a_token_is_used_until_just_before_its_end(clock):
    identity = Identity()
    source = tokens(identity)
    await source.token()
    clock.now += 539
    assert await source.token() == "a1"
    clock.now += 2
    assert await source.token() == "a2"
    assert identity.forms[1] == {"client_id": "cdse-public", "grant_type": "refresh_token", "refresh_token": "r1"}


async def test_a_token_that_does_not_last_is_not_renewed_at_every_use(clock):
    identity = Identity(expires_in=20)
    source = tokens(identity)
    await source.token()
    clock.now += 14
    assert await source.token() == "a1"
    clock.now += 2
    assert await source.token() == "a2"


async def test_the_newest_refresh_token_is_the_one_that_is_used(clock):
    identity = Identity()
    source = tokens(identity)
    for _ in range(3):
        await source.token()
        clock.now += 550
    assert [form.get("refresh_token") for form in identity.forms] == [None, "r1", "r2"]


async def test_after_an_hour_without_a_refresh_one_logs_in_again(clock):
    identity = Identity()
    source = tokens(identity)
    await source.token()
    clock.now += 3550
    assert await source.token() == "a2"
    assert identity.grants == ["password", "password"]


async def test_a_refresh_that_is_not_renewed_lasts_as_long_as_it_was_said_to(clock):
    identity = Identity()
    source = tokens(identity)
    await source.token()
    identity.grant["refresh_token"] = None
    for _ in range(5):
        clock.now += 550
        await source.token()
    clock.now += 800
    await source.token()
    assert identity.grants == ["password", *["refresh_token"] * 5, "password"]


@pytest.mark.parametrize(
    "refusal",
    [RequestRefused("identity answered 400: invalid_grant", status=400), TokenRefused("401"), AccessDenied("403")],
    ids=["400", "401", "403"],
)
async def test_a_refresh_that_is_refused_is_followed_by_a_login(clock, refusal):
    identity = Identity(None, refusal)
    source = tokens(identity)
    await source.token()
    clock.now += 550
    assert await source.token() == "a3"
    assert identity.grants == ["password", "refresh_token", "password"]


async def test_a_token_that_a_host_refused_is_not_given_out_again():
    identity = Identity()
    source = tokens(identity)
    source.refused(await source.token())
    assert await source.token() == "a2"
    source.refused("a1")
    assert await source.token() == "a2", "who comes late with an old token takes nothing from the others"
    assert identity.grants == ["password", "refresh_token"]


@pytest.mark.parametrize(
    "refusal",
    [
        TokenRefused("identity answered 401: invalid_grant Invalid user credentials"),
        RequestRefused("identity answered 400: invalid_grant Account is not fully set up", status=400),
    ],
    ids=["401", "400"],
)
async def test_wrong_credentials_name_their_variables_and_not_themselves(refusal):
    login = Login(username="me@example.org", password=PASSWORD, totp_secret=SEED)
    with pytest.raises(LoginRefused) as error:
        await tokens(Identity(refusal), login).token()
    message = str(error.value)
    assert all(name in message for name in ("CDSE_USERNAME", "CDSE_PASSWORD", "CDSE_TOTP_SECRET", str(refusal)))
    assert not any(secret in message for secret in (PASSWORD, "me@example.org", SEED))
    assert error.value.fatal
    assert error.value.exit_code == 5


def test_a_login_is_never_printed():
    assert repr(Login(username="me", password="secret", totp_secret="seed")) == "Login(client_id='cdse-public')"


async def test_two_factors_send_the_code_of_this_half_minute(monkeypatch):
    identity = Identity()
    now = pyotp.TOTP(SEED.replace(" ", "")).now
    before = now()
    await tokens(identity, Login(username="me", password="p", totp_secret=SEED)).token()
    assert identity.forms[0]["totp"] in {before, now()}


@pytest.mark.parametrize("secret", ["123456", "not base32!", "JBSWY3DP"])
async def test_a_second_factor_that_is_none_is_named_and_not_shown(secret):
    with pytest.raises(SettingsError, match="CDSE_TOTP_SECRET is not") as error:
        await tokens(Identity(), Login(username="me", password="p", totp_secret=secret)).token()
    assert secret not in str(error.value)


async def test_each_attempt_sends_a_code_of_its_own(monkeypatch):
    codes = iter(["111111", "222222"])
    monkeypatch.setattr(pyotp.TOTP, "now", lambda self: next(codes))
    identity = Identity(HostBusy("503", status=503))
    await tokens(identity, Login(username="me", password="p", totp_secret=SEED)).token()
    assert [form["totp"] for form in identity.forms] == ["111111", "222222"]


async def test_a_busy_identity_provider_is_asked_again():
    identity = Identity(HostBusy("503", status=503), HostBusy("429", status=429))
    assert await tokens(identity).token() == "a3"


async def test_an_identity_provider_that_is_not_there_is_an_error_for_all_who_wait():
    identity = Identity(*[HostUnreachable("identity cannot be reached", known=False)] * 3)
    source = tokens(identity)
    with pytest.raises(HostUnreachable):
        await source.token()
    assert await source.token() == "a4", "and the next asker tries again"


@pytest.mark.parametrize("reply", [b"", b"<html>", b"[]", b'{"token":"x"}', b'{"access_token":1}'])
async def test_an_answer_that_is_no_token_is_said_to_be_none(reply):
    with pytest.raises(CatalogueError, match="not a token"):
        await tokens(Identity(reply)).token()


async def test_recorded_answers_are_tokens(shared_data):
    for path in sorted((shared_data / "auth").glob("keycloak_token_*.json")):
        granted = msgspec.json.decode(path.read_bytes())
        assert await tokens(Identity(path.read_bytes())).token() == granted["access_token"], path.name


async def test_who_is_cancelled_while_it_waits_leaves_the_others_their_token():
    identity = Identity()
    source = tokens(identity)
    given = []

    async def ask():
        given.append(await source.token())

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await source.token()
        tasks.start_soon(ask)
    assert given == ["a1"]


async def test_a_login_that_is_refused_is_not_tried_again_however_many_wait_for_it():
    identity = Identity(AccessDenied("401"), AccessDenied("401"))
    source = tokens(identity)
    met = []

    async def ask():
        try:
            await source.token()
        except LoginRefused as error:
            met.append(str(error))

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(ask)
    assert identity.grants == ["password"]
    assert len(met) == 6
    assert len(set(met)) == 1
