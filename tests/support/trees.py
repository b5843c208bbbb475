"""What lies on disk, judged without skyhaul: published files, and what their own manifests say of them."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

MANIFESTS = {".SAFE": "manifest.safe", ".SEN3": "xfdumanifest.xml"}


def published(folder: Path) -> dict[str, bytes]:
    """Every published file below ``folder``, by its path there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".skyhaul" not in path.relative_to(folder).parts
    }


def products(folder: Path) -> list[Path]:
    """The product folders below ``folder``."""
    return sorted(path for path in folder.rglob("*") if path.suffix in MANIFESTS and ".skyhaul" not in path.parts)


def wrong(folder: Path) -> list[str]:
    """Files of published products that are missing, or not what the product's manifest states."""
    return [f"{product.name}: {file}" for product in products(folder) for file in _wrong(product)]


def _wrong(product: Path) -> Iterator[str]:
    manifest = product / MANIFESTS[product.suffix]
    if not manifest.is_file():
        yield manifest.name
        return
    for stream in ET.parse(manifest).iter("byteStream"):
        location, checksum = stream.find("fileLocation"), stream.find("checksum")
        assert location is not None
        assert checksum is not None
        path = product / location.attrib["href"]
        algorithm = checksum.attrib["checksumName"].replace("-", "_").lower()
        if not path.is_file() or hashlib.new(algorithm, path.read_bytes()).hexdigest() != (checksum.text or "").lower():
            yield location.attrib["href"]
