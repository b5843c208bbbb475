"""What an archive is: its addresses and limits, whom it lets in. The archives themselves are listed in :mod:`skyhaul.providers`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal

from skyhaul.model import Route
from skyhaul.protocols import Lister, Provider, Source, Web

Way = Literal["oidc", "basic", "header"]
"""How a login is shown: a Bearer token that it was exchanged for, HTTP Basic, a key in a header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """The endpoints and limits of one archive. An address that is empty does not exist there; a limit that is ``None`` is not known.

    ``url`` is of archives that are a protocol rather than a place. ``stall_s`` is how long a connection may be silent before it is given
    up.
    """

    url: str = ""
    catalogue_url: str = ""
    download_url: str = ""
    token_url: str = ""
    stac_url: str = ""
    sign_url: str = ""
    s3_url: str = ""
    s3_region: str = "default"
    connections: int = 4
    requests_per_minute: int | None = None
    bytes_per_s_per_connection: int | None = None
    bytes_per_30_days: int | None = None
    stall_s: float = 60.0

    @property
    def bytes_per_s(self) -> float | None:
        """What all connections together may be given."""
        each = self.bytes_per_s_per_connection
        return None if each is None else float(self.connections * each)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom an archive lets in, and where a user keeps what it asks for.

    ``prefix`` begins the variables: ``CDSE_USERNAME``. ``takes`` are fields of :class:`skyhaul.credentials.Credentials`, ``also`` further
    variables by field. ``searching`` is whether the catalogue too is closed to others, ``needed`` whether downloads are. ``made_at`` and
    ``keys_at`` are where people get an account, and keys. ``header`` is where a key of the archive's own is shown.
    """

    service: str
    prefix: str
    takes: tuple[str, ...]
    made_at: str
    keys_at: str = ""
    way: Way = "oidc"
    header: str = ""
    client_id: str = ""
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    searching: bool = False
    needed: bool = True

    def variable(self, name: str) -> str:
        """The variable of a field: ``CDSE_S3_ACCESS_KEY``."""
        return f"{self.prefix}_{name.upper()}"

    @property
    def s3(self) -> bool:
        """Whether there are keys for S3."""
        return "s3_access_key" in self.takes


COPERNICUS = Account(
    service="skyhaul:cdse",
    prefix="CDSE",
    takes=("username", "password", "totp_secret", "s3_access_key", "s3_secret_key", "client_id", "client_secret"),
    made_at="https://dataspace.copernicus.eu",
    keys_at="https://eodata-s3keysmanager.dataspace.copernicus.eu/",
    client_id="cdse-public",
)
"""A user of the Copernicus Data Space."""

ANYONE = Account(service="skyhaul", prefix="SKYHAUL", takes=(), made_at="", needed=False)
"""Who asks an archive that is open to all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a provider is made of. ``web`` shows the account where the catalogue asks for it; ``lister`` is there with S3 keys.

    ``sources`` are by route, each with what opens it; a route without credentials is missing.
    """

    archive: str
    web: Web
    settings: ProviderSettings
    sources: Mapping[Route, Source]
    lister: Lister | None = None
    account: Account | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A provider, and the sources of the objects that it names. ``prepare`` is awaited before anything is asked of it."""

    provider: Provider
    sources: Mapping[Route, Source]
    prepare: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive as users know it.

    ``made_by`` is ``module:function``, imported when it is asked. ``takes`` are the keys that its table may hold besides those for limits.
    ``like`` names the archive whose settings stand in where it has none of its own. ``parts`` is whether files of a product can be chosen,
    ``uuids`` whether its ids are such.
    ``collections`` are all that there are, where that is known.
    """

    name: str
    title: str
    made_by: str
    needs: str
    takes: tuple[str, ...] = ()
    settings: ProviderSettings = field(default_factory=ProviderSettings)
    account: Account | None = None
    like: str | None = None
    parts: bool = True
    uuids: bool = True
    collections: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Everything that its table may hold."""
        return (*self.takes, *LIMITS)

    def make(self, means: Means) -> Made:
        """The archive as a provider, made of what there is to reach it with."""
        module, _, name = self.made_by.partition(":")
        made_by: Callable[[Means], Made] = getattr(import_module(module), name)
        return made_by(means)


LIMITS = ("connections", "requests_per_minute", "bytes_per_s_per_connection", "bytes_per_30_days", "stall_s")
"""Keys that every archive has."""
