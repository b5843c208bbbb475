"""The assets of a STAC item as objects: where they are, what they are called below the product, which are wanted (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from skyhaul.catalogue.stac import Asset, Item
from skyhaul.errors import ObjectMissing, UnsafeName
from skyhaul.model import RemoteObject, Route
from skyhaul.protocols import Wish
from skyhaul.transfer.checksum import of_multihash
from skyhaul.transfer.layout import collisions, safe_path
from skyhaul.transfer.manifest import wanted

Place = Callable[[str], tuple[Route, str] | None]
"""Where an href can be fetched, and by which route; ``None`` where it cannot."""

_BANDS = {
    "coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "rededge1": "B05", "rededge2": "B06", "rededge3": "B07", "nir": "B08",
    "nir08": "B8A", "nir09": "B09", "cirrus": "B10", "swir16": "B11", "swir22": "B12", "visual": "TCI", "scl": "SCL", "aot": "AOT",
    "wvp": "WVP",
}  # fmt: skip
"""What Earth Search calls the bands of Sentinel-2."""

_BAND = re.compile(r"(B(?:0[1-9]|1[0-2]|8A)|TCI|SCL|AOT|WVP)(?:[_-]?(\d\d)m)?", re.IGNORECASE)
_CHANNEL = re.compile(r"(?:^|-)(vv|vh|hh|hv)(?:-|$)", re.IGNORECASE)
_RESOLUTIONS_M = (10, 20, 60)
_UNUSUAL = re.compile(r"[^A-Za-z0-9._+=@-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    key: str
    asset: Asset
    route: Route
    location: str
    login: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    key: str
    asset: Asset
    path: str
    route: Route
    location: str


def objects(item: Item, wish: Wish, place: Place) -> list[RemoteObject]:
    """What to fetch of an item, the large files first.

    Raises:
        ObjectMissing: nothing of it is wanted, or nothing that is wanted can be reached; says which.
    """
    placed = _placed(item, place)
    files = _named(item, placed)
    kept = [file for file in files if _wanted(file, wish)]
    if not kept:
        reason = f"none of its {len(files)} assets matches {', '.join(wish.only) or 'what is wanted'}"
        if not files:
            hosts = ", ".join(sorted({_host(asset.href) for asset in item.assets.values()})) or "there are none"
            reason = f"none of its {len(item.assets)} assets can be reached without keys of their own ({hosts})"
        raise ObjectMissing(f"{item.id}: {reason}")
    return sorted((_object(file) for file in kept), key=lambda obj: (-(obj.size or 0), obj.path))


def bucket_of(href: str) -> tuple[str, str] | None:
    """The bucket and the key of an address on S3."""
    parts = urlsplit(href)
    return (parts.netloc, parts.path.lstrip("/")) if parts.scheme == "s3" and parts.path.strip("/") else None


def _placed(item: Item, place: Place) -> list[_Placed]:
    """Where each asset is that can be reached. Keys that somebody set for S3 are there to be used; then nothing else wants a login."""
    found = [each for key, asset in item.assets.items() if (each := _chosen(item, key, asset, place))]
    keyed = any(each.route == "s3" for each in found)
    return [each for each in found if each.route == "s3" or not (keyed and each.login)]


def _chosen(item: Item, key: str, asset: Asset, place: Place) -> _Placed | None:
    places = [
        _Placed(key=key, asset=asset, route=there[0], location=there[1], login=item.login(auth))
        for href, auth in asset.places()
        if href and (there := place(href))
    ]
    return min(places, key=lambda each: (each.route != "s3", each.login), default=None)


def _named(item: Item, placed: Sequence[_Placed]) -> list[_File]:
    """Each with a path of its own: as it is stored, or below its key where two would be called the same."""
    paths = [_path(item, each.key, each.asset) for each in placed]
    names = [PurePosixPath(path).name for path in paths]
    keys = [_plain(each.key) for each in placed]
    below = [f"{key}/{name}" for key, name in zip(keys, names, strict=True)]
    numbered = [f"{number:03d}-{path}" for number, path in enumerate(below)]
    paths = next((each for each in (paths, below) if _apart(each)), numbered)
    return [
        _File(key=each.key, asset=each.asset, path=path, route=each.route, location=each.location)
        for path, each in zip(paths, placed, strict=True)
    ]


def _apart(paths: Sequence[str]) -> bool:
    """Whether files of these names can lie side by side, each while it arrives too."""
    return collisions(name for path in paths for name in (path, f"{path}.part")) is None


def _path(item: Item, key: str, asset: Asset) -> str:
    """Where the file belongs below the product: ``file:local_path`` without the product's folder, else the last of its address."""
    local = asset.local_path or ""
    folder, _, inside = local.partition("/")
    candidates = (
        inside if folder.startswith(item.id) else local,
        unquote(urlsplit(asset.href).path.rpartition("/")[2]),
    )
    for candidate in (*candidates, _plain(key)):
        try:
            return str(safe_path(candidate))
        except UnsafeName:
            continue
    return f"asset-{_plain(key)}"  # the name of a device


def _plain(key: str) -> str:
    """A key as a name that every disk takes."""
    return _UNUSUAL.sub("_", key).strip(".")[:100] or "asset"


def _wanted(file: _File, wish: Wish) -> bool:
    """Whether a file is wanted under any of its names: where it is stored, its key, what the product itself calls it."""
    names = (file.path, file.key, *_aliases(file))
    chosen = not wish.only or any(wanted(name, Wish(only=wish.only)) for name in names)
    return chosen and all(wanted(name, Wish(exclude=wish.exclude)) for name in (file.path, file.key))


def _aliases(file: _File) -> Iterator[str]:
    """What the file would be called in the product: globs of bands and resolutions are made for those names."""
    stem = PurePosixPath(file.path).stem
    if file.asset.roles and "metadata" in file.asset.roles:
        yield f"MTD_{stem}.xml"
    if channel := _CHANNEL.search(file.key):
        yield f"s1-{channel[1].lower()}-.tiff"
    name = _BANDS.get(file.key.lower().removesuffix("-jp2"), file.key)
    band = _BAND.fullmatch(name)
    if band is None:
        return
    metres = band[2] or _metres(file.asset)
    for each in (int(metres),) if metres else _RESOLUTIONS_M:
        yield f"IMG_DATA/_{band[1].upper()}_{each}m.jp2"
    if not band[2]:  # a key that tells a resolution is one of several of the band
        yield f"/IMG_DATA/_{band[1].upper()}.jp2"


def _metres(asset: Asset) -> float | None:
    stated = (each.get("spatial_resolution") for each in asset.rasters or ())
    return asset.gsd or next((float(each) for each in stated if isinstance(each, int | float)), None)


def _object(file: _File) -> RemoteObject:
    checksum = of_multihash(file.asset.checksum or "")
    return RemoteObject(
        route=file.route,
        location=file.location,
        path=file.path,
        size=max(int(file.asset.size), 0) or None,
        checksums=(checksum,) if checksum else (),
    )


def _host(href: str) -> str:
    parts = urlsplit(href)
    return f"{parts.scheme}://{parts.netloc}"
