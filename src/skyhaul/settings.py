"""Settings: option > environment > ``.env`` > job file > user file > default, decoded once, checked once.

A list from a higher place replaces the list of a lower one. ``bbox``, ``aoi`` and ``point`` are one choice: an area given higher up
replaces any area given lower down. A relative ``aoi`` belongs to the folder of the file that names it; ``into`` and ``events``
belong to the working folder, wherever they are named.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from skyhaul import bands as band_names
from skyhaul import values
from skyhaul.errors import SettingsError
from skyhaul.keys import KEYS
from skyhaul.layers import Layers, gather
from skyhaul.model import Query, TimeInterval, Via
from skyhaul.protocols import Wish
from skyhaul.transfer.layout import check_template
from skyhaul.vocabulary import CLOUDLESS, COLLECTIONS

Dashboard = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadSettings:
    """What to fetch of each product, where to, and how hard to try.

    ``max_rate`` is in bytes a second. ``max_bytes`` and ``max_time_s`` bound what a run begins, not what it finishes.
    ``disk_wait_s`` is how long a full disk is waited for.
    """

    into: Path
    via: Via = "auto"
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    resolution: int | None = None
    layout: str = "{name}"
    extract: bool = True
    keep_archive: bool = False
    connections: int | None = None
    max_rate: int | None = None
    require_verified: bool = False
    fail_fast: bool = False
    max_bytes: int | None = None
    max_time_s: float | None = None
    disk_wait_s: float = 600.0
    dry_run: bool = False
    events: Path | None = None
    dashboard: Dashboard = "auto"
    on_product: str | None = None

    def wish(self) -> Wish:
        """What is wanted of each product, as globs on the paths inside it.

        ``bands`` and ``resolution`` bring the metadata (``MTD*.xml``) and the manifest along; ``only`` is taken literally and adds to them.
        ``exclude`` has the last word.
        """
        return Wish(
            via=self.via,
            only=(*band_names.globs(self.bands, self.resolution), *self.only),
            exclude=self.exclude,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """The endpoints and limits of one archive. The defaults are those of the Copernicus Data Space for a general account.

    ``stall_s`` is how long a connection may be silent before it is given up.
    """

    catalogue_url: str = "https://catalogue.dataspace.copernicus.eu/odata/v1"
    download_url: str = "https://download.dataspace.copernicus.eu/odata/v1"
    token_url: str = "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token"  # noqa: S105 an address
    stac_url: str = "https://stac.dataspace.copernicus.eu/v1"
    s3_url: str = "https://eodata.dataspace.copernicus.eu"
    s3_region: str = "default"
    connections: int = 4
    requests_per_minute: int = 2000
    bytes_per_s_per_connection: int = 20_000_000
    bytes_per_30_days: int = 12_000_000_000_000
    stall_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a run is told. ``download`` is ``None`` where no destination was named."""

    query: Query = field(default_factory=Query)
    download: DownloadSettings | None = None
    providers: Mapping[str, ProviderSettings] = field(default_factory=lambda: {"cdse": ProviderSettings()})

    @property
    def provider(self) -> ProviderSettings:
        """The archive that the query asks."""
        return self.providers[self.query.provider]


PROVIDERS: Mapping[str, ProviderSettings] = {"cdse": ProviderSettings()}
"""Every archive there is, as it is unless told otherwise."""

_PROVIDER_READERS: Mapping[str, Any] = {
    **{each.name: values.url for each in fields(ProviderSettings) if each.name.endswith("_url")},
    "s3_region": values.text,
    "connections": values.whole(1, 256),
    "requests_per_minute": values.whole(),
    "bytes_per_s_per_connection": values.size,
    "bytes_per_30_days": values.size,
    "stall_s": values.span_s,
}


def load(
    options: Mapping[str, object] | None = None,
    *,
    job: Path | None = None,
    into: Path | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    user_file: Path | None = None,
    now: datetime | None = None,
) -> Settings:
    """Gather what was set, from every place, and check it.

    Args:
        options: keys as in a job file, without sections; ``None`` and empty lists count as not given.
        job: the job file.
        into: the destination where no place names one.
        environ: in place of the process environment.
        folder: the working folder, which may hold ``.env``.
        user_file: in place of the user's ``config.toml``.
        now: what ``30d`` counts from.

    Raises:
        SettingsError: a file cannot be read, a key is unknown, a value cannot be used. The text says which, and what is accepted.
    """
    layers = gather(
        options=options or {},
        environ=os.environ if environ is None else environ,
        folder=folder or Path(),
        job=job,
        user_file=user_file_path() if user_file is None else user_file,
        providers={name: tuple(_PROVIDER_READERS) for name in PROVIDERS},
    )
    return Settings(
        query=_query(layers, now or datetime.now(UTC)),
        download=_download(layers, into),
        providers={name: _provider(layers, name, known) for name, known in PROVIDERS.items()},
    )


def user_file_path() -> Path:
    """Where a user keeps settings for every run: ``~/.config/skyhaul/config.toml`` on Linux."""
    from platformdirs import user_config_path  # noqa: PLC0415 not needed by --help

    return user_config_path("skyhaul") / "config.toml"


def _query(layers: Layers, now: datetime) -> Query:
    read = partial(_read, layers, "query")
    area, label = _area(layers)
    query = Query(
        provider=_known(layers, "query.provider", PROVIDERS) or "cdse",
        collection=_known(layers, "query.collection", COLLECTIONS),
        product_types=read("product_type") or (),
        sensing=_interval(layers, "start", "end", now),
        published=_interval(layers, "published_start", "published_end", now),
        area=area,
        area_label=label,
        tiles=read("tile") or (),
        cloud_min=read("cloud_min"),
        cloud_max=read("cloud_max"),
        orbit_direction=read("orbit_direction"),
        relative_orbit=read("relative_orbit"),
        platform=read("platform"),
        polarisation=read("polarisation"),
        mode=read("mode"),
        timeliness=read("timeliness"),
        names=read("name") or (),
        ids=read("id") or (),
        where=read("where") or (),
        online=read("online"),
        latest_version=bool(read("latest_version")),
        order_by=read("order_by") or "start",
        limit=read("limit"),
    )
    _check_cloud(query)
    return query


def _check_cloud(query: Query) -> None:
    if query.cloud_min is not None and query.cloud_max is not None and query.cloud_min > query.cloud_max:
        raise SettingsError(
            f"cloud_min {query.cloud_min:g} is above cloud_max {query.cloud_max:g}: nothing lies between them"
        )
    if query.collection in CLOUDLESS and (query.cloud_min is not None or query.cloud_max is not None):
        raise SettingsError(f"{query.collection} knows no cloud cover: leave cloud_min and cloud_max out")


def _download(layers: Layers, into: Path | None) -> DownloadSettings | None:
    read = partial(_read, layers, "download")
    given = {
        each.name: value
        for each in fields(DownloadSettings)
        if (value := read(each.name.removesuffix("_s"))) is not None
    }
    if "into" not in given and into is not None:
        given["into"] = into
    try:
        band_names.check(given.get("bands", ()), given.get("resolution"))
        check_template(given.get("layout", "{name}"))
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return DownloadSettings(**given) if "into" in given else None


def _provider(layers: Layers, name: str, known: ProviderSettings) -> ProviderSettings:
    given = {
        key: value
        for key, reader in _PROVIDER_READERS.items()
        if (value := layers.read(f"providers.{name}.{key}", reader)) is not None
    }
    return ProviderSettings(**{each.name: getattr(known, each.name) for each in fields(known)} | given)


def _read(layers: Layers, section: str, name: str) -> Any:
    key = KEYS[f"{section}.{name}"]
    return layers.read(key.path, key.read, key.several)


def _known(layers: Layers, path: str, known: Mapping[str, object] | tuple[str, ...]) -> str | None:
    return cast("str | None", layers.read(path, values.one_of(*known)))


def _interval(layers: Layers, start: str, end: str, now: datetime) -> TimeInterval:
    first = layers.read(f"query.{start}", partial(values.moment, now=now))
    after = layers.read(f"query.{end}", partial(values.moment, now=now, is_end=True))
    said = [layers.said(f"query.{name}") for name in (start, end)]
    if first is not None and first > now:
        raise SettingsError(f"{said[0]} is in the future: nothing can have been acquired since")
    if first is not None and after is not None and first >= after:
        raise SettingsError(f"{said[1]} is not after {said[0]}: are they swapped?")
    return TimeInterval(start=first, end=after)


def _area(layers: Layers) -> tuple[str | None, str | None]:
    """The area of the highest place that gives one, as WKT, and what to call it."""
    given = layers.choice("query.bbox", "query.aoi", "query.point")
    if given is None:
        return None, None
    from skyhaul.area import parse_area  # noqa: PLC0415 shapely is not needed by queries without an area

    kind = given.path.removeprefix("query.")
    try:
        area = parse_area(**{kind: given.value}, folder=given.folder)
    except ValueError as error:
        raise SettingsError(f"{given.label}: {error}") from None
    return area.wkt, area.label
