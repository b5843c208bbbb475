"""Settings: option > environment > ``.env`` > job file > user file > default, decoded once, checked once.

A list from a higher place replaces the list of a lower one. ``bbox``, ``aoi``, ``point`` and ``circle`` are one choice: an area given
higher up replaces any area given lower down. A relative ``aoi`` belongs to the folder of the file that names it; ``into`` and ``events``
belong to the working folder, wherever they are named.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from skyhaul import bands as band_names
from skyhaul import values
from skyhaul.archives import Archive, ProviderSettings
from skyhaul.errors import SettingsError
from skyhaul.fragments import read as read_key
from skyhaul.fragments import restricted
from skyhaul.layers import Layers, gather
from skyhaul.model import Query, Via
from skyhaul.protocols import Wish
from skyhaul.providers import ARCHIVES, find
from skyhaul.transfer.layout import check_template

if TYPE_CHECKING:
    from skyhaul.area import Area

Dashboard = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadSettings:
    """What to fetch of each product, where to, and how hard to try.

    ``max_rate`` is in bytes a second. ``max_bytes`` and ``max_time_s`` bound what a run begins, not what it finishes. ``order_timeout_s``
    counts from the last product that was fetched or came online. ``disk_wait_s`` is how long a full disk is waited for.
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
    processes: int | Literal["auto"] = 1
    max_rate: int | None = None
    require_verified: bool = False
    fail_fast: bool = False
    max_bytes: int | None = None
    max_time_s: float | None = None
    order: bool = True
    order_wait_s: float = 120.0
    order_timeout_s: float = 1200.0
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
class Settings:
    """Everything a run is told. ``download`` is ``None`` where no destination was named.

    ``notices`` are sentences about what was taken otherwise than it was written.
    """

    query: Query = field(default_factory=Query)
    download: DownloadSettings | None = None
    providers: Mapping[str, ProviderSettings] = field(default_factory=lambda: dict(PROVIDERS))
    notices: tuple[str, ...] = ()

    @property
    def provider(self) -> ProviderSettings:
        """The archive that the query asks."""
        return self.providers[self.query.provider]


PROVIDERS: Mapping[str, ProviderSettings] = {archive.name: archive.settings for archive in ARCHIVES}
"""Every archive there is, as it is unless told otherwise."""

_PROVIDER_READERS: Mapping[str, Any] = {
    **{each.name: values.url for each in fields(ProviderSettings) if each.name.endswith("url")},
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
        providers={archive.name: archive.keys for archive in ARCHIVES},
    )
    area = _area(layers)
    query = _query(layers, now or datetime.now(UTC), area)
    settings = {archive.name: _provider(layers, archive) for archive in ARCHIVES}
    settings[query.provider] = _addressed(layers, find(query.provider), settings[query.provider])
    return Settings(query=query, download=_download(layers, into), providers=settings, notices=_notices(area))


def user_file_path() -> Path:
    """Where a user keeps settings for every run: ``~/.config/skyhaul/config.toml`` on Linux."""
    from platformdirs import user_config_path  # noqa: PLC0415 not needed by --help

    return user_config_path("skyhaul") / "config.toml"


def _query(layers: Layers, now: datetime, area: Area | None) -> Query:
    read = partial(read_key, layers, "query")
    archive = find(layers.read("query.provider", _archive) or "cdse")
    collection = values.one_of(*archive.collections) if archive.collections else values.text
    asked = Query(
        provider=archive.name,
        area=area.wkt if area else None,
        area_asked=area.asked if area else None,
        area_label=area.label if area else None,
        latest_version=bool(read("latest_version")),
        order_by=read("order_by") or "start",
        limit=read("limit"),
    )
    query = restricted(asked, layers, now=now, collection=collection)
    if archive.uuids:
        _check_ids(layers, query.ids)
    return query


def _check_ids(layers: Layers, ids: tuple[str, ...]) -> None:
    """See that ids are UUIDs: where an archive has no others, they would find nothing."""
    given = layers.find("query.id")
    try:
        for each in ids:
            values.product_id(each)
    except ValueError as error:
        raise SettingsError(f"{given.label if given else 'id'}: {error}") from None


def _download(layers: Layers, into: Path | None) -> DownloadSettings | None:
    read = partial(read_key, layers, "download")
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


def _archive(value: object) -> str:
    """The name of an archive, in whatever case it is written."""
    name = values.text(value)
    try:
        return find(name).name
    except SettingsError as error:
        raise ValueError(str(error)) from None


def _provider(layers: Layers, archive: Archive) -> ProviderSettings:
    """The settings of an archive; what it has not of its own is that of the archive it is like."""
    given: dict[str, Any] = {}
    for name in filter(None, (archive.like, archive.name)):
        for key in archive.keys:
            if (value := layers.read(f"providers.{name}.{key}", _PROVIDER_READERS[key])) is not None:
                given[key] = value
    return replace(archive.settings, **given)


def _addressed(layers: Layers, archive: Archive, known: ProviderSettings) -> ProviderSettings:
    """The settings of the archive that is asked, with ``--url`` where it has no address of its own."""
    url = read_key(layers, "query", "url")
    if "url" not in archive.takes:
        if url is not None:
            generic = " or ".join(f"--provider {each.name}" for each in ARCHIVES if "url" in each.takes)
            raise SettingsError(
                f"{layers.said('query.url')}: {archive.name} has its own address; --url goes with {generic}"
            )
        return known
    if not (url or known.url):
        raise SettingsError(
            f"--provider {archive.name} needs an address: give --url, or url in [providers.{archive.name}]"
        )
    return replace(known, url=url or known.url)


def _notices(area: Area | None) -> tuple[str, ...]:
    return tuple(f"{area.label}: {notice}" for notice in area.notices) if area else ()


def _area(layers: Layers) -> Area | None:
    """The area of the highest place that gives one."""
    given = layers.choice("query.bbox", "query.aoi", "query.point", "query.circle")
    if given is None:
        return None
    from skyhaul.area import parse_area  # noqa: PLC0415 shapely is not needed by queries without an area

    kind = given.path.removeprefix("query.")
    try:
        return parse_area(**{kind: given.value}, folder=given.folder)
    except ValueError as error:
        raise SettingsError(f"{given.label}: {error}") from None
