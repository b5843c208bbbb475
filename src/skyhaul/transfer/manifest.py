"""``manifest.safe`` and ``xfdumanifest.xml``: the files that a product says it has, with their digests (pure).

What real manifests get wrong, and is borne here: sizes (Sen2Cor products of baselines N0207 and N9999), absolute paths of the processing
host (N0208 of May 2018), hrefs with and without ``./``, hex in both cases, roots with and without their namespace. What a manifest does
not say of a file, nobody is held to: auxiliary products have manifests that list nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException, ElementTree

from skyhaul.errors import IntegrityError
from skyhaul.model import Checksum, RemoteObject
from skyhaul.protocols import Wish
from skyhaul.transfer.checksum import NEW

NAMES = ("manifest.safe", "xfdumanifest.xml")
_INSIDE = re.compile(r"/((?:GRANULE|DATASTRIP|HTML|AUX_DATA|rep_info)/.+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A file of the product; ``checksum`` is ``None`` where none is stated that can be computed here.

    The size that the manifest claims is left out: it is not always true, the digest decides.
    """

    path: str
    checksum: Checksum | None


def is_manifest(path: str) -> bool:
    """Whether ``path``, inside the product, is its manifest."""
    return path in NAMES


def parse(body: bytes) -> tuple[Listed, ...]:
    """The files that a manifest lists; those of auxiliary products may list none.

    Raises:
        IntegrityError: it is not well-formed, cut short, or lists a file twice with different digests.
    """
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, DefusedXmlException) as error:
        raise IntegrityError(f"the manifest is not well-formed XML ({error})") from error
    if root.tag.rpartition("}")[2] != "XFDU":
        raise IntegrityError(f"the manifest's root element is {root.tag}, not XFDU")
    by_path: dict[str, Listed] = {}
    for listed in _listed(root):
        earlier = by_path.setdefault(listed.path, listed)
        if earlier.checksum != listed.checksum:
            raise IntegrityError(f"the manifest lists {listed.path[:200]} twice with different digests")
    return tuple(by_path.values())


def _listed(root: Element) -> Iterator[Listed]:
    for stream in root.iter("byteStream"):
        location, checksum = stream.find("fileLocation"), stream.find("checksum")
        if location is None or not location.get("href"):
            raise IntegrityError("the manifest has a file without a location")
        yield Listed(path=inside(location.get("href", "")), checksum=None if checksum is None else _digest(checksum))


def _digest(stated: Element) -> Checksum | None:
    algorithm, value = stated.get("checksumName", "").upper(), (stated.text or "").strip().lower()
    return Checksum(algorithm=algorithm, value=value, origin="manifest") if algorithm in NEW and value else None


def inside(href: str) -> str:
    """The path inside the product that an href means."""
    if not href.startswith("/"):
        return href.removeprefix("./")
    match = _INSIDE.search(href)
    return match[1] if match else href.lstrip("/")


def wanted(path: str, wish: Wish) -> bool:
    """Whether a file of a product is wanted: a glob matches its path inside the product, or its name."""
    name = path.rpartition("/")[2]

    def matches(pattern: str) -> bool:
        return fnmatchcase(path, pattern) or fnmatchcase(name, pattern)

    return (not wish.only or any(map(matches, wish.only))) and not any(map(matches, wish.exclude))


def doubtful(product: str, path: str) -> bool:
    """Whether the manifest of ``product`` is known to be wrong about a file: Sentinel-2 of baseline 02.12, its own metadata.

    Products of 2019 that were processed again in 2020 name the sizes and digests of other files.
    """
    return "_N0212_" in product and path.rpartition("/")[2] in {"MTD_MSIL2A.xml", "MTD_TL.xml"}


def with_manifest(objects: Sequence[RemoteObject], body: bytes, wish: Wish, product: str = "") -> list[RemoteObject]:
    """The objects with the digests that the manifest of ``product`` states.

    Where it is known to be wrong, the archive's own MD5 of the file (the ETag) counts instead, if there is one.

    Raises:
        IntegrityError: the manifest is broken, or lists wanted files that the archive does not have.
    """
    listed = {entry.path: entry.checksum for entry in parse(body)}
    there = {obj.path for obj in objects}
    absent = sorted(path for path in listed if path not in there and wanted(path, wish))
    if absent:
        raise IntegrityError(
            f"the manifest lists {len(absent)} files that the archive does not have, the first is {absent[0][:200]}"
        )
    return [
        obj if obj.checksums and doubtful(product, obj.path) else _stated(obj, listed.get(obj.path)) for obj in objects
    ]


def _stated(obj: RemoteObject, checksum: Checksum | None) -> RemoteObject:
    return obj if checksum is None else replace(obj, checksums=(checksum, *obj.checksums))
