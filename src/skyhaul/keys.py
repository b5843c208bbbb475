"""Everything that can be set: its name, how it is read, what it means.

One table for the command line, the environment and the files: ``--cloud-max``, ``SKYHAUL_CLOUD_MAX`` and ``cloud_max`` are one key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from skyhaul import bands, comparisons, values

Section = Literal["query", "download"]
ResultFormat = Literal["table", "jsonl", "geojson", "csv", "names", "stac", "geoparquet"]
"""What products can be printed as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Something that can be set.

    ``read`` turns text or a TOML value into the value, or raises ``ValueError`` with the end of a sentence. ``several`` is what separates
    many values in one text. ``switch`` is how an option looks that takes no value. ``listed`` values may also stand in a file, one a line.
    """

    section: Section
    name: str
    help: str
    metavar: str = "TEXT"
    read: Callable[[object], Any] = values.text
    several: str | None = None
    switch: str | None = None
    listed: bool = False

    @property
    def path(self) -> str:
        """Where it stands in a job file: ``query.cloud_max``."""
        return f"{self.section}.{self.name}"

    @property
    def option(self) -> str:
        """How the command line calls it: ``--cloud-max``."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """How the environment calls it: ``SKYHAUL_CLOUD_MAX``."""
        return "SKYHAUL_" + self.name.upper()


def _as_is(value: object) -> object:
    """The value: it can only be read together with another, or with the folder it was named in."""
    return value


def _path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(values.text(value)).expanduser()


def _online(value: object) -> bool | None:
    return None if value == "any" else values.flag(value) or None


def _processes(value: object) -> int | Literal["auto"]:
    try:
        return "auto" if value == "auto" else values.whole(1, 64)(value)
    except ValueError as error:
        raise ValueError(f"{error}, nor auto") from None


def _query(name: str, help_: str, metavar: str = "TEXT", **more: Any) -> Key:
    return Key(section="query", name=name, help=help_, metavar=metavar, **more)


def _download(name: str, help_: str, metavar: str = "TEXT", **more: Any) -> Key:
    return Key(section="download", name=name, help=help_, metavar=metavar, **more)


_DATES = "date or time, UTC; 30d is that long ago"

QUERY = (
    _query("provider", "Archive to ask (default cdse); see 'skyhaul providers'.", "NAME"),
    _query("url", "Address of an archive that is none of its own, for --provider stac.", "URL", read=values.url),
    _query("collection", "Collection, such as SENTINEL-2.", "NAME"),
    _query("product_type", "Product type, such as S2MSI2A; repeatable.", "TYPE", several=","),
    _query("start", f"First sensing start ({_DATES}).", "WHEN", read=_as_is),
    _query("end", "Last sensing start; a date includes that whole day, a time is not included.", "WHEN", read=_as_is),
    _query("published_start", f"First publication ({_DATES}).", "WHEN", read=_as_is),
    _query("published_end", "Last publication, like --end.", "WHEN", read=_as_is),
    _query(
        "bbox", "Area between these degrees; west may exceed east across the 180th meridian.", "W,S,E,N", read=_as_is
    ),
    _query(
        "aoi",
        "Area from a file (GeoJSON, WKT, KML, shapefile, GeoPackage), from WKT, corners or an MGRS tile, or from stdin (-).",
        "FILE|WKT|…",
        read=_as_is,
    ),
    _query("point", "Area that is one point, in degrees, longitude first.", "LON,LAT", read=_as_is),
    _query("circle", "Area around a point, in degrees and kilometres.", "LON,LAT,KM", read=_as_is),
    _query("tile", "MGRS tile, such as 31TCL; repeatable.", "TILE", read=values.tile, several=","),
    _query("cloud_max", "Highest cloud cover, included.", "PERCENT", read=values.between(0, 100)),
    _query("cloud_min", "Lowest cloud cover, included.", "PERCENT", read=values.between(0, 100)),
    _query(
        "orbit_direction",
        "ASCENDING or DESCENDING.",
        "WAY",
        read=values.one_of("ASCENDING", "DESCENDING"),
        several=",",
    ),
    _query("relative_orbit", "Relative orbit number; repeatable.", "N", read=values.whole(1, 500), several=","),
    _query("datatake", "Datatake, such as 0697DA or GS2A_…; repeatable.", "ID", read=comparisons.datatake, several=","),
    _query("platform", "Mission or satellite, such as SENTINEL-2 or S2A; repeatable.", "NAME", several=","),
    _query("serial", "Satellite of a mission: A, B, C; repeatable.", "LETTER", several=","),
    _query("instrument", "Instrument, such as OLCI; repeatable.", "NAME", several=","),
    _query(
        "polarisation",
        "Polarisation, such as VV or VV,VH; repeatable.",
        "CHANNELS",
        read=values.polarisation,
        several=";",
    ),
    _query("mode", "Operational mode, such as IW; repeatable.", "MODE", several=","),
    _query("timeliness", "Timeliness, such as NRT-3h, Fast-24h or NT; repeatable.", "CLASS", several=","),
    _query(
        "level", "Processing level as the archive writes it, such as L2 or LEVEL1; repeatable.", "TEXT", several=","
    ),
    _query("proc_mode", "Processing mode, such as NRTI, OFFL or RPRO; repeatable.", "MODE", several=","),
    _query(
        "baseline",
        "Processing baseline: 05.10, >=05.00 or 04.00..05.09; repeatable.",
        "NUMBER",
        read=comparisons.baseline,
        several=",",
    ),
    _query("season", "Days of any year, both included, such as 04-01..06-30.", "MM-DD..MM-DD", read=comparisons.season),
    _query("name", "Product name, exact or with *, or @FILE of names; repeatable.", "NAME", several=",", listed=True),
    _query("id", "Product id, or @FILE of ids; repeatable.", "ID", read=values.any_id, several=",", listed=True),
    _query(
        "where",
        "Condition on an attribute: 'cloudCover<=20', 'cloudCover 10..20', 'productType in (A, B)'; repeatable, all must hold.",
        "'NAME<=VALUE'",
        read=comparisons.conditions,
        several=";",
    ),
    _query(
        "rule",
        "Restrictions of which one set must hold: 'platform=SENTINEL-2,product_type=S2MSI2A,cloud_max=20'; repeatable.",
        "'KEY=VALUE,…'",
        read=_as_is,
        several=";",
    ),
    _query(
        "online",
        "Only what can be downloaded at once, or also what has to be ordered.",
        read=_online,
        switch="--online/--any",
    ),
    _query(
        "latest_version",
        "Of several processings of one acquisition, only the latest.",
        read=values.flag,
        switch="--latest-version",
    ),
    _query(
        "order_by",
        "start, end, published or modified; with - in front, the latest first.",
        "FIELD",
        read=values.one_of(
            *(sign + field for field in ("start", "end", "published", "modified") for sign in ("", "-"))
        ),
    ),
    _query("limit", "At most so many products.", "N", read=values.whole()),
)

DOWNLOAD = (
    _download("into", "Folder that receives the products.", "DIR", read=_path),
    _download("via", "Route: auto, s3 or http.", "ROUTE", read=values.one_of("auto", "s3", "http")),
    _download("only", "Only files of a product that match; repeatable.", "GLOB", several=","),
    _download("exclude", "No files of a product that match; repeatable.", "GLOB", several=","),
    _download(
        "bands", "Only these bands, and the metadata: B04,B08,SCL or VV,VH.", "B02,B03", read=bands.band, several=","
    ),
    _download("resolution", "Only images of so many metres: 10, 20 or 60.", "METRES", read=bands.resolution),
    _download("layout", "Where products go below DIR, such as '{tile}/{start:%Y}/{name}'.", "TEMPLATE"),
    _download(
        "extract",
        "Extract zipped products (default), or keep them zipped.",
        read=values.flag,
        switch="--extract/--no-extract",
    ),
    _download("keep_archive", "Keep the zip beside what was extracted.", read=values.flag, switch="--keep-archive"),
    _download(
        "connections", "Streams at once, at most; the archive's own limit stands.", "N", read=values.whole(1, 256)
    ),
    _download(
        "processes",
        "Processes that share the work and the connections (default 1); auto: 1 where the archive or --max-rate allows no more than "
        "300 MB/s, which one can do, else one for every two cores and two connections.",
        "auto|N",
        read=_processes,
    ),
    _download("max_rate", "Bytes a second, at most, such as 50MB.", "RATE", read=values.size),
    _download(
        "require_verified",
        "Fail products that only their length speaks for.",
        read=values.flag,
        switch="--require-verified",
    ),
    _download("fail_fast", "Stop at the first product that fails.", read=values.flag, switch="--fail-fast"),
    _download("max_bytes", "Begin no more products after so much, such as 500GB.", "SIZE", read=values.size),
    _download("max_time", "Begin no more products after so long, such as 8h.", "TIME", read=values.span_s),
    _download(
        "order",
        "Order what the archive has on tape (default), or leave it there.",
        read=values.flag,
        switch="--order/--no-order",
    ),
    _download(
        "order_wait", "Ask so often whether ordered products are online (default 2m).", "TIME", read=values.span_s
    ),
    _download(
        "order_timeout",
        "Wait for ordered products until none has come for so long (default 20m).",
        "TIME",
        read=values.span_s,
    ),
    _download("disk_wait", "Wait so long for space on a full disk (default 10min).", "TIME", read=values.span_s),
    _download("dry_run", "Say what would be fetched, and fetch nothing.", read=values.flag, switch="--dry-run"),
    _download("events", "Write every event to this file, one JSON object a line.", "FILE", read=_path),
    _download(
        "dashboard", "Live display: auto (on a terminal), on or off.", "WHEN", read=values.one_of("auto", "on", "off")
    ),
    _download("on_product", "Command to run for each finished product; {path} is where it is.", "COMMAND"),
)

KEYS = {key.path: key for key in (*QUERY, *DOWNLOAD)}
