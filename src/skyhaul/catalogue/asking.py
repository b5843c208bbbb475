"""A request to a catalogue, repeated with patience until there is an answer that can be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from skyhaul.errors import CatalogueError, RemoteError, SkyhaulError
from skyhaul.events import AttemptFailed
from skyhaul.protocols import Emit
from skyhaul.retry import OnRetry, RetryPolicy

T = TypeVar("T")

READS = 5
"""How often what arrives but cannot be right is asked for. A host that is busy or gone is given the policy's own patience."""


class Unsettled(CatalogueError):
    """A reply that cannot be right, or a slice that changes while it is read: asking again may settle it."""

    transient = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How ``host`` is asked, and who is told of failed attempts."""

    host: str
    retry: RetryPolicy
    emit: Emit

    async def answer(self, ask: Callable[[], Awaitable[T]], what: str) -> T:
        """The result of ``ask``.

        Raises:
            CatalogueError: there was none that could be read, or patience ended.
            RemoteError: asking again is no use.
        """
        unreadable = 0

        async def once() -> T:
            nonlocal unreadable
            try:
                return await ask()
            except CatalogueError as error:
                unreadable += 1
                if unreadable == READS:
                    raise
                raise Unsettled(str(error)) from error

        try:
            return await self.retry.call(once, self.telling(what))
        except RemoteError as error:
            if error.transient:
                # Whoever repeats what this request is a part of must not begin again with it.
                raise CatalogueError(str(error)) from error
            raise

    def telling(self, what: str) -> OnRetry:
        """Tells the observers that an attempt at ``what`` failed."""

        def tell(error: SkyhaulError, wait_s: float) -> None:
            self.emit(AttemptFailed(host=self.host, what=what, kind=error.kind, error=str(error), wait_s=wait_s))

        return tell
