"""The fewest sets that hold every place: exact where that can be found out in a moment, else greedy with a bound (pure).

A place is a bit mask of the sets that hold it, so that to choose sets is to hit every place. Set 0 is the most preferred one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

STEPS_MAX = 50_000
"""How many partial choices are tried in one part of the problem before the greedy choice has to do; some seconds at worst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fewest:
    """The ``sets`` chosen, and how many are needed ``at_least``: as many where the choice is exact."""

    sets: tuple[int, ...]
    at_least: int


class _TooManyStepsError(Exception):
    """The exact answer is not worth the wait."""


def fewest(places: Iterable[int], *, steps_max: int = STEPS_MAX) -> Fewest:
    """The fewest sets that hold all places; of several such choices the one that holds the most preferred set that differs.

    Parts of the problem that share no set are solved by themselves. The greedy choice takes at most 1 + ln(n) times as many as needed,
    for n places.
    """
    solved = [_solved(part, steps_max) for part in _parts(_essential(places))]
    return Fewest(
        sets=tuple(sorted(each for part in solved for each in part.sets)),
        at_least=sum(part.at_least for part in solved),
    )


def _solved(places: Sequence[int], steps_max: int) -> Fewest:
    greedy = _greedy(places)
    search = _Search(steps_max)
    bound = _apart(places)
    try:
        while bound < len(greedy) and not search.possible(places, bound):
            bound += 1
        return Fewest(sets=search.preferred(places, bound), at_least=bound)
    except _TooManyStepsError:
        return Fewest(sets=tuple(greedy), at_least=bound)


class _Search:
    """Looks for choices of a given size, for so many steps and no longer."""

    def __init__(self, steps_max: int) -> None:
        self._left = steps_max

    def possible(self, places: Sequence[int], count: int) -> bool:
        """Whether ``count`` sets can hold all places. A place that no set holds any more makes it impossible."""
        self._left -= 1
        if self._left < 0:
            raise _TooManyStepsError
        if not places:
            return True
        narrow = min(places, key=lambda place: (place.bit_count(), place))
        if count < 1 or not narrow or _apart(places) > count:
            return False
        rest = list(places)
        for each in members(narrow):
            if self.possible([place for place in rest if not place >> each & 1], count - 1):
                return True
            rest = [place & ~(1 << each) for place in rest]
        return False

    def preferred(self, places: Sequence[int], count: int) -> tuple[int, ...]:
        """The choice of ``count`` sets, which is known to be possible, that comes first when choices are put in order by their sets."""
        taken: list[int] = []
        for each in members(_union(places)):
            rest = [place for place in places if not place >> each & 1]
            if self.possible(rest, count - len(taken) - 1):
                taken.append(each)
                places = rest
            else:
                places = [place & ~(1 << each) for place in places]
            if not places:
                break
        return tuple(taken)


def _greedy(places: Sequence[int]) -> list[int]:
    """Always the set that holds most of what is left, in the end without those that the others make needless."""
    taken: list[int] = []
    left = list(places)
    while left:
        held = {each: sum(place >> each & 1 for place in left) for each in members(_union(left))}
        best = max(held, key=lambda each: (held[each], -each))
        taken.append(best)
        left = [place for place in left if not place >> best & 1]
    for each in sorted(taken, reverse=True):
        others = sum(1 << other for other in taken if other != each)
        if all(place & others for place in places):
            taken.remove(each)
    return sorted(taken)


def _essential(places: Iterable[int]) -> list[int]:
    """The places without those that are held whenever another one is."""
    kept: list[int] = []
    for place in sorted(set(places), key=lambda place: (place.bit_count(), place)):
        if not any(other & place == other for other in kept):
            kept.append(place)
    return kept


def _parts(places: Sequence[int]) -> list[list[int]]:
    """The places in groups that share no set."""
    parts: list[tuple[int, list[int]]] = []
    for place in places:
        joined = [part for part in parts if part[0] & place]
        parts = [part for part in parts if not part[0] & place]
        merged = [each for _, held in joined for each in held] + [place]
        parts.append((_union(merged), merged))
    return [held for _, held in parts]


def _apart(places: Sequence[int]) -> int:
    """How many of the places share no set with each other, taken as they come, the narrow ones first: so many sets are needed."""
    met = count = 0
    for place in sorted(places, key=int.bit_count):
        if not place & met:
            met |= place
            count += 1
    return count


def _union(places: Iterable[int]) -> int:
    together = 0
    for place in places:
        together |= place
    return together


def members(mask: int) -> Iterator[int]:
    """The sets of a mask, the preferred first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
