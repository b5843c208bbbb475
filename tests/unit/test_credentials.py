from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from skyhaul import credentials
from skyhaul.credentials import Credentials
from skyhaul.errors import AccessDenied, SettingsError

TOKEN_URL = "https://identity.example:8443/realms/CDSE/token"
EVERYTHING = {
    "CDSE_USERNAME": "alice@example.org",
    "CDSE_PASSWORD": "p&ss+w%rd",
    "CDSE_TOTP_SECRET": "JBSW Y3DP EHPK 3PXP",
    "CDSE_S3_ACCESS_KEY": "ACCESSKEY",
    "CDSE_S3_SECRET_KEY": "SECRETKEY",
    "CDSE_CLIENT_ID": "sh-client",
    "CDSE_CLIENT_SECRET": "sh-secret",
}


@pytest.fixture
def load(tmp_path):
    netrc = tmp_path / "netrc-that-is-absent"

    def call(environ, **more):
        return credentials.load(
            TOKEN_URL, environ={"NETRC": str(netrc), **environ}, folder=tmp_path, **{"keyring": False, **more}
        )

    return call


@pytest.fixture
def netrc(tmp_path):
    def write(text, mode=0o600):
        path = tmp_path / "netrc"
        path.write_text(text)
        path.chmod(mode)
        return {"NETRC": str(path)}

    return write


def test_all_of_them_from_the_environment(load):
    found = load(EVERYTHING)
    assert found.require_login() == ("alice@example.org", "p&ss+w%rd")
    assert found.require_s3() == ("ACCESSKEY", "SECRETKEY")
    assert (found.totp_secret, found.client_id, found.client_secret) == (
        "JBSW Y3DP EHPK 3PXP",
        "sh-client",
        "sh-secret",
    )
    assert found.login
    assert found.s3
    assert set(found.secrets) == set(EVERYTHING.values())


def test_nothing_shows_them(load):
    found = load(EVERYTHING)
    for text in (repr(found), str(found), f"{found}", repr([found])):
        assert not any(secret in text for secret in EVERYTHING.values())
    assert repr(Credentials()) == "Credentials()"


def test_the_environment_comes_before_dotenv(load, tmp_path):
    (tmp_path / ".env").write_text("CDSE_USERNAME=bob\nCDSE_PASSWORD='a$b${c}'\n")
    assert load({}).require_login() == ("bob", "a$b${c}")
    assert load({"CDSE_USERNAME": "alice"}).require_login() == ("alice", "a$b${c}")
    assert load({"CDSE_USERNAME": " "}).require_login() == ("bob", "a$b${c}")


def test_the_aws_names_give_a_pair_or_nothing(load):
    aws = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret"}
    assert load(aws).require_s3() == ("AKIA", "secret")
    assert not load({"AWS_ACCESS_KEY_ID": "AKIA"}).s3
    assert load({**aws, "CDSE_S3_ACCESS_KEY": "mine"}).s3_secret_key is None
    assert load({**aws, **EVERYTHING}).require_s3() == ("ACCESSKEY", "SECRETKEY")


def test_netrc_is_asked_for_the_host_of_the_tokens(load, netrc):
    place = netrc("machine identity.example login carol password pw\nmachine other.example login dave password no\n")
    found = load(place)
    assert found.require_login() == ("carol", "pw")
    assert found.warnings == ()
    assert load({**place, "CDSE_USERNAME": "erin"}).password is None
    assert load({**place, "CDSE_USERNAME": "carol"}).password == "pw"


def test_an_open_netrc_is_warned_of(load, netrc):
    (warning,) = load(netrc("machine identity.example login carol password hunter2\n", 0o644)).warnings
    assert "chmod 600" in warning
    assert "hunter2" not in warning


def test_a_broken_netrc_is_refused_without_quoting_it(load, netrc):
    with pytest.raises(SettingsError, match=r"line 1: not a netrc file") as error:
        load(netrc("machine identity.example login carol passwort hunter2\n"))
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {},
            "set CDSE_USERNAME and CDSE_PASSWORD to download over HTTP; accounts are made at https://dataspace.copernicus.eu",
        ),
        ({"CDSE_USERNAME": "alice"}, "CDSE_USERNAME is set but CDSE_PASSWORD is not: set it to download over HTTP"),
        ({"CDSE_PASSWORD": "secret"}, "CDSE_PASSWORD is set but CDSE_USERNAME is not: set it to download over HTTP"),
    ],
)
def test_a_missing_login_names_its_variables_and_where_accounts_are_made(load, given, sentence):
    with pytest.raises(AccessDenied) as error:
        load(given).require_login()
    assert str(error.value).startswith(sentence)
    assert error.value.exit_code == 5


def test_missing_keys_name_their_variables_and_where_keys_are_made(load):
    with pytest.raises(AccessDenied) as error:
        load({}).require_s3()
    assert str(error.value) == (
        "set CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY to download over S3; "
        "keys are made at https://eodata-s3keysmanager.dataspace.copernicus.eu/"
    )


def test_a_code_is_no_totp_secret(load):
    with pytest.raises(SettingsError, match="not a code of six digits") as error:
        load({"CDSE_TOTP_SECRET": "123 456"})
    assert "123" not in str(error.value)


class KeyringError(Exception):
    pass


@pytest.fixture
def ring(monkeypatch):
    """A keyring with a password in it."""
    asked = []

    def get_password(service, name):
        asked.append((service, name))
        if name == "CDSE_CLIENT_SECRET":
            return None
        return f"ring-{name}"

    module = ModuleType("keyring")
    module.__spec__ = SimpleNamespace(name="keyring")
    monkeypatch.setattr(module, "get_password", get_password, raising=False)
    errors = ModuleType("keyring.errors")
    monkeypatch.setattr(errors, "KeyringError", KeyringError, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return SimpleNamespace(module=module, asked=asked)


def test_the_keyring_is_asked_for_what_is_missing(load, ring):
    found = load({"CDSE_USERNAME": "alice", "CDSE_TOTP_SECRET": "JBSWY3DPEHPK3PXP"}, keyring=True)
    assert found.require_login() == ("alice", "ring-CDSE_PASSWORD")
    assert found.client_secret is None
    assert {service for service, _ in ring.asked} == {"skyhaul:cdse"}
    assert "CDSE_USERNAME" not in {name for _, name in ring.asked}


def test_a_locked_keyring_is_no_keyring(load, ring, monkeypatch):
    def locked(*_):
        raise KeyringError

    monkeypatch.setattr(ring.module, "get_password", locked)
    assert load({}, keyring=True) == Credentials()
