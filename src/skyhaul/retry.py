"""How patient skyhaul is: the one place where anything is repeated. Home of tenacity.

The error says whether it is transient, the policy how often and after what wait, the call site only ``policy.call(once)``.
A page or a part of an object is repeated, never a whole product.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential, wait_random

from skyhaul.errors import HostBusy, HostUnreachable, SkyhaulError

T = TypeVar("T")

OnRetry = Callable[[SkyhaulError, float], None]
"""Told of each failed attempt that will be repeated, and after how many seconds."""


def is_transient(error: BaseException) -> bool:
    """Whether asking again may give another answer."""
    return isinstance(error, SkyhaulError) and error.transient


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """``attempts`` in all, between them waits that double from ``wait_initial_s`` to ``wait_max_s``, with jitter.

    A host that names its wait (``Retry-After``) is never asked sooner. One that has never answered is given up after
    ``attempts_unknown``.
    """

    attempts: int = 12
    attempts_unknown: int = 3
    wait_initial_s: float = 0.5
    wait_max_s: float = 60.0

    async def call(self, once: Callable[[], Awaitable[T]], on_retry: OnRetry | None = None) -> T:
        """The result of ``once``, repeated while it fails transiently; the last failure is raised as it is."""

        def tell(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            if on_retry is not None and isinstance(error, SkyhaulError) and state.next_action is not None:
                on_retry(error, state.next_action.sleep)

        try:
            return await once()  # nearly always; a machinery for repeating costs as much as a small request
        except SkyhaulError as error:
            if not error.transient:
                raise
            met: SkyhaulError | None = error

        async def awaited() -> T:
            # Tenacity awaits coroutine functions alone; a lambda that returns an awaitable would be taken for done.
            nonlocal met
            if met is not None:
                error, met = met, None
                raise error
            return await once()

        retrying = AsyncRetrying(
            retry=retry_if_exception(is_transient),
            stop=self._enough,
            wait=self._wait_s,
            before_sleep=tell,
            sleep=anyio.sleep,
            reraise=True,
        )
        return await retrying(awaited)

    def _enough(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        never_answered = isinstance(error, HostUnreachable) and not error.known
        return state.attempt_number >= (self.attempts_unknown if never_answered else self.attempts)

    def _wait_s(self, state: RetryCallState) -> float:
        jittered = wait_exponential(multiplier=self.wait_initial_s, max=self.wait_max_s) + wait_random(
            0, self.wait_initial_s
        )
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, HostBusy) and error.too_early:
            return 0.0  # whoever deals out the streams makes it wait
        asked_s = error.retry_after_s if isinstance(error, HostBusy) and error.retry_after_s else 0.0
        return max(jittered(state), asked_s)
