from __future__ import annotations

import pytest

from skyhaul.catalogue.reading import Reading


def reading(total: int, *pages: str, page_size: int = 4) -> Reading:
    found = Reading(page_size)
    found.begin(total, list(pages[0]))
    for number, ids in enumerate(pages[1:], start=1):
        found.pages[number * found.step] = list(ids)
    return found


def test_pages_overlap_by_one():
    assert list(Reading(4).following(10)) == [3, 6, 9]
    assert list(Reading(1000).following(11_000)) == [*range(999, 11_000, 999)]


def test_what_fits_on_one_page_needs_no_other():
    assert not reading(3, "abc").doubtful(3)
    assert not reading(0, "").doubtful(0)
    assert not reading(9, "abcd").doubtful(4)


def test_a_full_page_is_never_the_last():
    # With a count that is one too low, nothing else would show that there is a fifth.
    assert reading(4, "abcd").doubtful(4) == {3}
    assert not reading(4, "abcd", "d").doubtful(4)
    assert reading(4, "abcd", "de").doubtful(4) == {3}


def test_overlapping_pages_that_add_up_are_proof():
    assert not reading(9, "abcd", "defg", "ghi").doubtful(9)


@pytest.mark.parametrize(
    ("pages", "doubtful"),
    [
        (("abcd",), {3, 6}),
        (("abcd", "defg"), {6}),
        (("abc", "defg", "ghi"), {0}),
        (("abcd", "", "ghi"), {3}),
        (("abcd", "ddef", "ghi"), {3}),
        (("abcd", "defg", "ghij"), {6}),
        (("abcd", "efgh", "hij"), {0, 3}),
        (("abcd", "xefg", "ghi"), {0, 3}),
        (("abcd", "defx", "ghi"), {3, 6}),
    ],
)
def test_pages_that_cannot_be_right_are_doubtful(pages, doubtful):
    assert reading(9, *pages).doubtful(9) == doubtful


def test_all_pages_are_doubtful_when_the_sum_is_wrong_and_nothing_shows_where():
    assert reading(9, "abcd", "dbfg", "ghi").doubtful(9) == {0, 3, 6}


def test_a_loss_that_an_insertion_hides_tears_the_seam():
    # x was published between e and f after the last page was read: there are 9 different products, and g is not among them.
    assert reading(9, "abcd", "dexf", "ghi").doubtful(9) == {3, 6}


def test_the_first_of_many_need_their_pages_alone():
    assert not reading(1000, "abcd", "defg").doubtful(6)
    assert reading(1000, "abcd", "de").doubtful(6) == {3}
    assert not reading(1000, "ab").doubtful(2)


def test_another_count_is_another_slice():
    found = reading(9, "abcd", "defg", "ghi")
    found.begin(9, list("abcd"))
    assert not found.doubtful(9)
    found.begin(10, list("abcd"))
    assert found.doubtful(10) == {3, 6, 9}
