"""How much there is to do and how much of it is done, as far as the catalogue has told yet. Pure.

Nothing is remembered about a single product (there may be a million). What is not known of one is taken from the mean of
the others, and :attr:`Progress.exact` says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from skyhaul.observe.state import RunState

_SAME = 0.005
"""Sizes that differ by less are taken as the catalogue's own rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Bytes on disk (verified or on their way), bytes in all, bytes to come; ``None`` where no size is known.

    ``products`` is how many there will be once the catalogue is read, ``None`` while it has not said. What is chosen from an
    answer (latest versions, names) is known only at its end: until then this is too many.
    """

    done: int
    wanted: float | None
    remaining: float | None
    products: int | None
    exact: bool

    @property
    def fraction(self) -> float | None:
        """The part that is done, 1 for all."""
        return min(1.0, self.done / self.wanted) if self.wanted else None


def progress(state: RunState, in_flight_bytes: int) -> Progress:
    """The progress of a run, ``in_flight_bytes`` of whose unfinished objects are on disk."""
    done = state.ended_bytes + sum(product.bytes_done for product in state.open.values()) + in_flight_bytes
    products = _products(state)
    mean = _mean_bytes(state)
    lost = _lost(state)
    if mean is None:
        return Progress(done=done, wanted=None, remaining=None, products=products, exact=False)
    if state.nothing_left:
        return Progress(done=done, wanted=done + lost * mean, remaining=0.0, products=products, exact=not lost)
    wanted = _found_bytes(state, mean) * max(1.0, (products or 0) / max(1, state.found))
    remaining = max(0.0, wanted - done - lost * mean)
    known = _open_bytes(state)
    if known is not None:
        remaining = max(0.0, known - in_flight_bytes)
        wanted = done + remaining + lost * mean
    return Progress(done=done, wanted=max(wanted, done), remaining=remaining, products=products, exact=_exact(state))


def _lost(state: RunState) -> int:
    return sum(state.ended.get(end, 0) for end in ("failed", "offline", "pending"))


def _shrink(state: RunState) -> float:
    """What is really fetched over what the catalogue says of the same products: bands and trees differ from whole zips."""
    shrink = state.expanded_bytes / state.expanded_size if state.expanded_size else 1.0
    return 1.0 if abs(shrink - 1) < _SAME else shrink


def _mean_bytes(state: RunState) -> float | None:
    if state.found_sized:
        return state.found_bytes / state.found_sized * _shrink(state)
    if state.expanded_sized:
        return state.expanded_bytes / state.expanded_sized
    return None


def _found_bytes(state: RunState, mean: float) -> float:
    return state.found_bytes * _shrink(state) + (state.found - state.found_sized) * mean


def _open_bytes(state: RunState) -> int | None:
    """What is missing of the last products, when there are no others and every size is known."""
    sizes = [product.bytes for product in state.open.values()]
    if state.queued or not state.catalogue_finished or None in sizes:
        return None
    return sum(size or 0 for size in sizes) - sum(product.bytes_done for product in state.open.values())


def _exact(state: RunState) -> bool:
    return state.catalogue_finished and state.found == state.found_sized and _shrink(state) == 1.0


def _products(state: RunState) -> int | None:
    if state.catalogue_finished:
        return state.found
    silent = any(part.total is None and not part.part for part in state.slices.values())
    return None if silent or not state.slices else max(state.found, state.counted)
