"""Who the user is to an archive: environment, then ``.env``, netrc, keyring; never the command line, never printed.

Netrc is the usual file (``$NETRC``, else ``~/.netrc``); the machine is the host of the token address. The keyring is asked where the
package is installed, for the service of the account and the name of the variable: ``keyring set skyhaul:cdse CDSE_PASSWORD``.
"""

from __future__ import annotations

import netrc
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from skyhaul.archives import ANYONE, COPERNICUS, Account
from skyhaul.errors import AccessDenied, SettingsError
from skyhaul.layers import dotenv

_FIELDS = (
    "username",
    "password",
    "totp_secret",
    "s3_access_key",
    "s3_secret_key",
    "client_id",
    "client_secret",
    "api_key",
)
_AWS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_BASE32 = re.compile(r"[A-Z2-7]+=*")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Credentials:
    """What opens an archive: a login, a pair of keys for S3, a client for Sentinel Hub, a key of its own. Any may be missing.

    ``warnings`` are sentences for the user, free of secrets. ``account`` says what the archive takes and how a user sets it.
    """

    username: str | None = None
    password: str | None = None
    totp_secret: str | None = None
    s3_access_key: str | None = None
    s3_secret_key: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    api_key: str | None = None
    warnings: tuple[str, ...] = ()
    account: Account = COPERNICUS

    def __repr__(self) -> str:
        given = [name for name in _FIELDS if getattr(self, name)]
        return f"Credentials({', '.join(given)}: hidden)" if given else "Credentials()"

    @property
    def login(self) -> bool:
        """Whether there is a user and a password."""
        return bool(self.username and self.password)

    @property
    def enough(self) -> bool:
        """Whether the archive lets in who has these."""
        return not self.account.needed or bool(self.api_key if self.account.way == "header" else self.login or self.s3)

    @property
    def s3(self) -> bool:
        """Whether objects can be read over S3."""
        return bool(self.s3_access_key and self.s3_secret_key)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Everything that must never be shown, the names of accounts included."""
        return tuple(value for name in _FIELDS if (value := getattr(self, name)))

    def require_login(self) -> tuple[str, str]:
        """The username and the password.

        Raises:
            AccessDenied: one is missing; says which variable to set and where accounts are made.
        """
        if self.username and self.password:
            return self.username, self.password
        raise AccessDenied(
            f"{self._missing('username', 'password')} to download over HTTP; accounts are made at {self.account.made_at}"
        )

    def require_s3(self) -> tuple[str, str]:
        """The access key and the secret key.

        Raises:
            AccessDenied: one is missing; says which variable to set and where keys are made.
        """
        if self.s3_access_key and self.s3_secret_key:
            return self.s3_access_key, self.s3_secret_key
        raise AccessDenied(
            f"{self._missing('s3_access_key', 's3_secret_key')} to download over S3; keys are made at {self.account.keys_at}"
        )

    def require_key(self) -> str:
        """The archive's own key.

        Raises:
            AccessDenied: it is missing; says which variable to set and where keys are made.
        """
        if self.api_key:
            return self.api_key
        raise AccessDenied(
            f"set {self.account.variable('api_key')} to download; keys are made at {self.account.keys_at}"
        )

    def require(self) -> None:
        """See that there is what lets a download in.

        Raises:
            AccessDenied: there is not.
        """
        if self.account.way == "header":
            self.require_key()
        else:
            self.require_login()

    def _missing(self, *names: str) -> str:
        absent = [self.account.variable(name) for name in names if not getattr(self, name)]
        if len(absent) == len(names):
            return "set " + " and ".join(absent)
        present = next(self.account.variable(name) for name in names if getattr(self, name))
        return f"{present} is set but {absent[0]} is not: set it"


def load(
    token_url: str,
    *,
    account: Account | None = COPERNICUS,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    keyring: bool = True,
) -> Credentials:
    """Gather the credentials of an account. Netrc and the AWS variables give a whole pair or nothing.

    Args:
        token_url: where the login goes; its host is looked up in netrc.
        account: what the archive takes; ``None`` where it takes nothing.
        environ: in place of the process environment.
        folder: the working folder, which may hold ``.env``.
        keyring: whether to ask the keyring for what is still missing.

    Raises:
        SettingsError: ``.env`` or netrc cannot be read, or the TOTP secret is none.
    """
    environment = os.environ if environ is None else environ
    variables = {**dotenv(folder or Path()), **{name: value for name, value in environment.items() if value.strip()}}
    if account is None:
        return Credentials(account=ANYONE)
    found = {name: value for name in account.takes if (value := _first(variables, _spellings(account, name)))}
    warnings: list[str] = []
    aws = all(variables.get(name) for name in _AWS)
    if account.s3 and aws and not {"s3_access_key", "s3_secret_key"} & set(found):
        found |= zip(("s3_access_key", "s3_secret_key"), (variables[name].strip() for name in _AWS), strict=True)
    if "username" in account.takes and not {"username", "password"} <= set(found):
        found |= _from_netrc(urlsplit(token_url).hostname or "", found.get("username"), variables, warnings)
    if keyring and find_spec("keyring") is not None:
        found |= _from_keyring(account, [name for name in account.takes if name not in found])
    _check_totp(account, found.get("totp_secret"))
    return Credentials(**found, warnings=tuple(warnings), account=account)


def _spellings(account: Account, name: str) -> tuple[str, ...]:
    """The variables that may hold a field, the archive's own first."""
    return (account.variable(name), *account.also.get(name, ()))


def _first(variables: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((value for name in names if (value := variables.get(name, "").strip())), None)


def _check_totp(account: Account, secret: str | None) -> None:
    if secret and not _BASE32.fullmatch(secret.replace(" ", "").upper()):
        raise SettingsError(
            f"{account.variable('totp_secret')} is not a TOTP secret: it is the base32 text (A-Z, 2-7) shown when two-factor login is set "
            "up, not a code of six digits"
        )


def _from_netrc(host: str, username: str | None, variables: Mapping[str, str], warnings: list[str]) -> dict[str, str]:
    path = Path(variables.get("NETRC") or Path.home() / ".netrc").expanduser()
    if not path.is_file():
        return {}
    try:
        entry = netrc.netrc(str(path)).hosts.get(host)
    except netrc.NetrcParseError as error:
        # The error's own text may quote a password.
        raise SettingsError(f"{path}, line {error.lineno}: not a netrc file") from None
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{path} cannot be read") from None
    if entry is None or (username and entry[0] != username):
        return {}
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        warnings.append(f"{path} can be read by other users: 'chmod 600 {path}' keeps its passwords private")
    login, _, password = entry
    return {"username": login, "password": password} if login and password else {}


def _from_keyring(account: Account, names: Iterable[str]) -> dict[str, str]:
    """What the keyring holds; nothing where it is locked or has no backend."""
    import keyring  # noqa: PLC0415 an optional package, and slow to import
    from keyring.errors import KeyringError  # noqa: PLC0415 likewise

    try:
        asked = {name: keyring.get_password(account.service, account.variable(name)) for name in names}
    except KeyringError:
        return {}
    return {name: value for name, value in asked.items() if value}
