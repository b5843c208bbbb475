"""The bucket ``eodata``: every key of the generated products in order, without a list of them."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING

from skyhaul.simulate.clock import DAY_US, date_path
from skyhaul.simulate.content import Inline
from skyhaul.simulate.manifests import folders
from skyhaul.simulate.nouns import SimObject
from skyhaul.simulate.shelves import s3_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from skyhaul.simulate.nouns import SimFile
    from skyhaul.simulate.shelves import ProductShelf

PAST_ALL = "\U0010ffff"


class Bucket:
    """The objects of the products of a shelf: their files, and an empty marker for each of their folders."""

    def __init__(self, shelf: ProductShelf, files: Callable[[int], tuple[SimFile, ...]]) -> None:
        self._shelf = shelf
        self._files = files
        self._folders = lru_cache(maxsize=1)(self._days_by_folder)
        self._day = lru_cache(maxsize=64)(self._keys_of_day)
        self._objects = lru_cache(maxsize=64)(self._objects_of)

    def listing(self, prefix: str, after: str, limit: int) -> list[SimObject]:
        """At most ``limit`` objects whose keys begin with ``prefix`` and lie strictly after ``after``, ascending."""
        found: list[SimObject] = []
        for _, row in self._rows(prefix, after):
            found += [entry for entry in self._objects(row) if entry.key > after and entry.key.startswith(prefix)]
            if len(found) >= limit:
                break
        return found[:limit]

    def get(self, key: str) -> SimObject | None:
        """The object of that very key."""
        rows = (row for root, row in self._rows(key, "") if key.startswith(root))
        return next((entry for row in rows for entry in self._objects(row) if entry.key == key), None)

    def _rows(self, prefix: str, after: str) -> Iterator[tuple[str, int]]:
        """Key and row of the products that may have keys with ``prefix`` after ``after``, in the order of their keys."""
        for folder, days in self._folders().items():
            if not _meet(folder, prefix) or folder + PAST_ALL <= after:
                continue
            for day in days:
                root = f"{folder}{date_path(day)}/"
                if not _meet(root, prefix) or root + PAST_ALL <= after:
                    continue
                keys = self._day(day)
                # A product's own keys follow its root, so the one before the cut may still have some.
                first = bisect_left(keys, (max(root, after),))
                for key, row in keys[max(0, first - 1) :]:
                    if not key.startswith(root):
                        if key > root:
                            break
                        continue
                    if _meet(key, prefix):
                        yield key, row

    def _days_by_folder(self) -> dict[str, list[int]]:
        found: dict[str, set[int]] = {}
        for take in self._shelf.rows:
            found.setdefault(f"{take.series.mission.folder(take)}/", set()).add(take.start_us // DAY_US)
        return {folder: sorted(found[folder]) for folder in sorted(found)}

    def _keys_of_day(self, day: int) -> list[tuple[str, int]]:
        rows = self._shelf.between(day * DAY_US, (day + 1) * DAY_US - 1)
        names = ((row, self._shelf.rows[row]) for row in rows)
        return sorted((s3_key(take, take.series.mission.name(take)), row) for row, take in names)

    def _objects_of(self, row: int) -> list[SimObject]:
        product, multipart = self._shelf.product(row), self._shelf.publication(row).multipart
        files = self._files(row)
        if product.single:
            contents = {product.s3_key: files[0].content}
        else:
            root = f"{product.s3_key}/"
            contents = {root + file.path: file.content for file in files}
            markers = folders([file.path for file in files], product.collection)
            contents |= {root + marker: Inline(b"") for marker in ("", *markers)}
        return [
            SimObject(
                key=key,
                last_modified=product.origin.replace(microsecond=product.origin.microsecond // 1000 * 1000),
                content=contents[key],
                multipart=multipart and contents[key].size > 0,
            )
            for key in sorted(contents)
        ]


def _meet(one: str, other: str) -> bool:
    """Whether one of the two begins with the other."""
    return one.startswith(other) or other.startswith(one)
