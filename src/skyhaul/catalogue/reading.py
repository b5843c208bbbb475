"""Whether the pages of a slice prove it complete (pure).

Two things have to come out. There are as many different products as the catalogue counts. And neighbouring pages overlap by one product,
which is the same in both: the count alone would not notice one that slipped between two pages while another was published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Reading:
    """The ids on the pages of one slice, as they came last. ``page_size`` is at least 2."""

    page_size: int
    total: int = -1
    pages: dict[int, Sequence[str]] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """From the first product of a page to the first of the next."""
        return self.page_size - 1

    @property
    def products(self) -> int:
        """How many different products there are on the pages."""
        return len({product for ids in self.pages.values() for product in ids})

    def begin(self, total: int, ids: Sequence[str]) -> None:
        """Take the first page and its count. Another count than before is another slice: its older pages are worth nothing."""
        if total != self.total:
            self.pages.clear()
        self.total = total
        self.take(0, ids)

    def take(self, skip: int, ids: Sequence[str]) -> None:
        """Take the page that begins at ``skip``, unless it cannot be right and an earlier one could."""
        before = self.pages.get(skip, ())
        if self._plausible(ids, skip, self.total) or not self._plausible(before, skip, self.total):
            self.pages[skip] = ids

    def following(self, wanted: int) -> range:
        """Where the pages after the first begin that are needed for the first ``wanted`` products.

        The last page of a slice is never a full one: a full page says nothing of what comes after it.
        """
        fits = wanted < self.page_size or wanted == self.page_size < self.total
        return range(0) if fits else range(self.step, wanted, self.step)

    def doubtful(self, wanted: int) -> set[int]:
        """The pages that are missing or cannot be right, by where they begin; all of them where something is wrong and nothing shows it.

        An empty set means that the first ``wanted`` products are proven complete.
        """
        following = self.following(wanted)
        doubtful = {skip for skip in (0, *following) if not self._plausible(self.pages.get(skip, ()), skip, wanted)}
        torn = [skip for skip in following if not {skip, skip - self.step} & doubtful and self._torn(skip)]
        doubtful.update(torn, (skip - self.step for skip in torn))
        return doubtful or (set() if self._adds_up(wanted) else {0, *following})

    def _plausible(self, ids: Sequence[str], skip: int, wanted: int) -> bool:
        return min(self.page_size, wanted - skip) <= len(ids) == len(set(ids)) <= self.total - skip

    def _torn(self, skip: int) -> bool:
        return self.pages[skip - self.step][-1] != self.pages[skip][0]

    def _adds_up(self, wanted: int) -> bool:
        return self.products == self.total if wanted == self.total else self.products >= wanted
