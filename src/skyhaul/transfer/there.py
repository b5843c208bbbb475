"""What lies at a product's place already, and what speaks for it. Blocks: for threads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from skyhaul.errors import IntegrityError
from skyhaul.model import Product
from skyhaul.transfer import checksum as digests
from skyhaul.transfer import manifest
from skyhaul.transfer.layout import safe_path
from skyhaul.transfer.sink import is_intact, writing


def check_whole(files: Sequence[tuple[str, int]], tree: Path, final: Path) -> None:
    """See that files which were verified are still in one of the folders: no product is made of what somebody left.

    Raises:
        IntegrityError: one is gone.
    """
    for path, size in files:
        if not has(tree / path, size) and not has(final / path, size):
            raise IntegrityError(f"{path}: it was verified, and is no longer there")


def has(path: Path, size: int) -> bool:
    """Whether there is a file of this size."""
    return path.is_file() and path.stat().st_size == size


def taken(place: Path) -> bool:
    """Whether anything lies there."""
    with writing(place):
        return place.exists()


def intact(place: Path, product: Product) -> tuple[str | None, list[tuple[str, int]]]:
    """By what a product that is already at ``place`` can be verified, and its files; ``None`` if it cannot or is wrong."""
    with writing(place):
        if place.is_file():
            checksum = digests.strongest(product.checksums)
            right = is_intact(place, checksum)
            return (digests.level(checksum) if right and checksum else None), [(place.name, place.stat().st_size)]
        if not place.is_dir():
            return None, []
        inside = [path for path in sorted(place.rglob("*")) if path.is_file()]
        files = [(str(path.relative_to(place)), path.stat().st_size) for path in inside]
        try:
            return vouched(place, product.name), files
        except IntegrityError:
            return None, files


def vouched(tree: Path, product: str) -> str | None:
    """``manifest`` if a tree's own manifest vouches for ``product``; ``None`` if it has none, or one that states no digests.

    Raises:
        IntegrityError: a file is missing or wrong.
    """
    found = next((tree / name for name in manifest.NAMES if (tree / name).is_file()), None)
    if found is None:
        return None
    stated = manifest.parse(found.read_bytes())
    for listed in stated:
        path, unsure = tree / safe_path(listed.path), listed.checksum is None or manifest.doubtful(product, listed.path)
        if not path.is_file() or not (unsure or is_intact(path, listed.checksum)):
            raise IntegrityError(f"{listed.path}: not what the manifest states")
    return "manifest" if any(listed.checksum for listed in stated) else None  # none, or none that is known here
