from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from skyhaul.select.fewest import fewest, members

SETS = 9
places = st.lists(st.integers(1, 2**SETS - 1), max_size=14)


def holds(sets, place):
    return any(place >> each & 1 for each in sets)


def brute(wanted):
    """The first of the smallest choices, when choices are put in order by their sets."""
    return next(
        choice
        for size in range(SETS + 1)
        for choice in combinations(range(SETS), size)
        if all(holds(choice, place) for place in wanted)
    )


@given(places)
def test_no_choice_has_fewer_and_none_so_small_comes_before_it(wanted):
    found = fewest(wanted)
    assert found.sets == brute(wanted)
    assert found.at_least == len(found.sets)


@given(places, st.integers(0, 12))
def test_what_is_not_worth_the_wait_is_chosen_greedily_and_says_how_good_it_is(wanted, steps):
    found = fewest(wanted, steps_max=steps)
    assert all(holds(found.sets, place) for place in wanted)
    assert found.at_least <= len(brute(wanted)) <= len(found.sets)


@given(places, st.randoms())
def test_the_order_of_places_does_not_matter(wanted, draw):
    mixed = draw.sample(wanted, len(wanted))
    assert fewest(mixed) == fewest(wanted)
    assert fewest(mixed, steps_max=3) == fewest(wanted, steps_max=3)


def test_a_greedy_choice_is_never_padded():
    # Greedy takes 2 first, which the others make needless.
    wanted = [0b00101, 0b00110, 0b01101, 0b01110]
    assert fewest(wanted, steps_max=0).sets == (2,)
    assert fewest([]).sets == ()
    assert list(members(0b10110)) == [1, 2, 4]


def test_many_parts_are_solved_one_by_one():
    # A hundred rings of five, each of which takes three: together far beyond what could be tried out.
    ring = [0b00011, 0b00110, 0b01100, 0b11000, 0b10001]
    found = fewest(place << 5 * part for part in range(100) for place in ring)
    assert len(found.sets) == found.at_least == 300
    assert found.sets[:3] == (0, 1, 3)
