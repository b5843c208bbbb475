"""What lies on tape: asked for it is staged, and online after a while. DHuS calls it the Long Term Archive."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from skyhaul.simulate.nouns import SimProduct
    from skyhaul.simulate.scenario import Scenario


class Storage(StrEnum):
    """Where a product is."""

    TAPE = "tape"
    STAGING = "staging"
    DISK = "disk"


class TooManyOrdersError(Exception):
    """As many products are being staged as the account may order."""


class Tape:
    """The tape robot of one archive. ``scenario`` tells how long it takes, and how much may be asked for at once."""

    def __init__(self, scenario: Callable[[], Scenario], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._scenario = scenario
        self._clock = clock
        self._asked: dict[str, float] = {}

    def storage(self, product: SimProduct) -> Storage:
        """Where a product is now."""
        if product.online:
            return Storage.DISK
        asked_s = self._asked.get(product.id)
        if asked_s is None:
            return Storage.TAPE
        return Storage.STAGING if self._clock() < asked_s + self._scenario().staging_s else Storage.DISK

    def ask(self, product: SimProduct) -> None:
        """Have a product staged; asking for one that is staged already changes nothing.

        Raises:
            TooManyOrdersError: it is one too many.
        """
        if self.storage(product) is not Storage.TAPE:
            return
        if self.outstanding >= self._scenario().orders_at_once:
            raise TooManyOrdersError
        self._asked[product.id] = self._clock()

    @property
    def outstanding(self) -> int:
        """How many products are being staged."""
        since = self._clock() - self._scenario().staging_s
        return sum(asked_s > since for asked_s in self._asked.values())

    @property
    def ordered(self) -> int:
        """How many products were asked for in all."""
        return len(self._asked)

    def load(self) -> None:
        """Put on disk, now, whatever is being staged."""
        self._asked = dict.fromkeys(self._asked, float("-inf"))

    def rewind(self) -> None:
        """Take everything off the disk that was staged."""
        self._asked.clear()
