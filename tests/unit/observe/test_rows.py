from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skyhaul.observe.rows import Row, Rows, arranged
from support.told import GB, MB, NAME, Told

names = st.lists(st.sampled_from("abcdefgh"), unique=True)


def test_a_new_product_takes_the_place_that_became_free() -> None:
    assert arranged(("a", "b", "c"), ["a", "c", "d", "e"]) == ("a", "d", "c", "e")
    assert arranged(("a", "b", "c"), ["a"]) == ("a",)
    assert arranged(("a", "b", "c"), ["c"]) == (None, None, "c")


@given(names, names, names)
def test_nobody_is_moved_lost_or_doubled(first: list[str], second: list[str], third: list[str]) -> None:
    places = arranged(arranged((), first), second)
    after = arranged(places, third)
    assert sorted(product for product in after if product is not None) == sorted(third)
    assert all(after[i] == product for i, product in enumerate(places) if product in third)
    assert not after or after[-1] is not None


def rows(told: Told, seconds: float, bytes_per_s: float) -> list[Row]:
    return [row for row in told.let_pass(seconds, bytes_per_s).rows if row is not None]


def test_a_row_sums_up_the_transfers_of_its_product(told: Told) -> None:
    told.start()
    told.find(1)
    told.finish_transfer(told.begin(0, objects=10))
    told.transfer(0, "IMG_DATA/B08_10m.jp2", GB // 10)
    told.transfer(0, "IMG_DATA/B02_10m.jp2", GB // 10).done = 30 * MB
    (row,) = rows(told, 4, 20 * MB)
    assert (row.objects, row.objects_done, row.streams, row.path) == (10, 1, 2, "IMG_DATA/B08_10m.jp2")
    assert row.name == NAME
    assert (row.done, row.size, row.bytes_per_s) == (210 * MB, GB, 20 * MB)
    assert row.left_s == 39.5


def test_a_row_stays_between_two_transfers_of_its_product(told: Told) -> None:
    told.start()
    told.find(1)
    told.finish_transfer(told.begin(0, objects=2))
    (row,) = rows(told, 1, 0)
    assert (row.streams, row.path, row.verifying) == (0, None, False)


def test_the_rate_of_a_product_begins_with_its_first_byte(told: Told) -> None:
    told.start()
    told.find(1)
    told.begin(0)
    rows(told, 6, 0)
    (row,) = rows(told, 2, 20 * MB)
    assert row.bytes_per_s == 20 * MB
    (row,) = rows(told, 2, 0)
    assert row.bytes_per_s == 10 * MB  # a stall counts


def test_the_size_of_a_single_object_is_learnt_from_its_transfer(told: Told) -> None:
    told.find(1)
    told.transfer(0, "product.zip", GB)
    (row,) = rows(told, 1, 0)
    assert row.size is None  # nobody has said yet that this object is all of the product
    assert row.left_s is None


def test_a_product_is_verifying_when_all_its_transfers_are(told: Told) -> None:
    told.start()
    told.find(1)
    told.begin(0, objects=2).verifying = True
    other = told.transfer(0, "B08", GB // 2)
    assert not rows(told, 1, 0)[0].verifying
    other.verifying = True
    assert rows(told, 1, 0)[0].verifying


def test_products_that_ended_are_forgotten() -> None:
    told, kept = Told(), Rows()
    told.find(1)
    told.begin(0)
    kept.look(told.bus.state.open, tuple(told.meter.flows.values()), 0.0)
    assert kept.look({}, (), 1.0) == ()
    assert not kept._grown
