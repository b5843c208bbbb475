from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.archives import ProviderSettings
from skyhaul.model import Product
from skyhaul.planning import WORKING_PRODUCTS, Plan, Totals, planned
from skyhaul.protocols import Wish
from skyhaul.providers.routes import Road, expected

MB = 1_000_000
LIMITS = ProviderSettings(
    connections=4, bytes_per_s_per_connection=20 * MB, requests_per_minute=100, bytes_per_30_days=12 * 10**12
)
BOTH = Road(http=True, s3=True, bytes_per_s=20.0 * MB)
S3_ONLY = Road(http=False, s3=True, bytes_per_s=20.0 * MB)


def product(size=800 * MB, kind="S2MSI2A", **more):
    return Product(
        id="1", name="P.SAFE", provider="cdse", product_type=kind, size=size, s3_path="eodata/P.SAFE", **more
    )


async def plan(products, *, wish=None, road=BOTH, limits=LIMITS):
    async def given_():
        for each in products:
            yield each

    return await planned(given_(), wish or Wish(), partial(expected, road=road), limits)


async def test_a_plan_adds_up_what_the_catalogue_states():
    found = await plan([product(), product(200 * MB, "S2MSI1C"), product(None, None, online=False)])
    assert (found.products, found.bytes, found.unsized, found.offline) == (3, 1000 * MB, 1, 1)
    assert found.largest_bytes == 800 * MB
    assert found.by_type == {"S2MSI1C": (1, 200 * MB), "S2MSI2A": (1, 800 * MB), "unknown": (1, 0)}
    assert found.allowance_bytes == LIMITS.bytes_per_30_days


async def test_nothing_takes_no_time():
    found = await plan([])
    assert (found.products, found.seconds, found.objects, found.disk_needed_bytes) == (0, 0.0, 0, 0)


async def test_time_is_bytes_over_what_the_account_may_have():
    found = await plan([product()] * 40)
    assert found.routes == {"http": 40}
    assert found.objects == 40
    assert found.seconds == pytest.approx(40 * 800 / 80, rel=0.05)


async def test_many_small_objects_take_the_time_of_their_requests():
    found = await plan([product(MB)] * 10, road=S3_ONLY)
    assert found.routes == {"s3": 10}
    assert found.objects == 870
    assert found.seconds == 8 * 60.0, "the first hundred requests need not wait"


async def test_parts_of_products_are_said_to_be_parts():
    found = await plan([product()], wish=Wish(only=("*_B04_10m.jp2",)))
    assert found.in_part
    assert found.routes == {"s3": 1}


async def test_an_archive_without_known_limits_takes_the_time_of_its_streams():
    found = await plan([product()] * 8, limits=ProviderSettings(connections=2))
    assert found.seconds == pytest.approx(8 * 800 / 40, rel=0.05)
    assert found.allowance_bytes is None


def test_room_is_needed_for_what_is_finished_and_for_what_is_not():
    found = Plan(products=100, bytes=100_000, largest_bytes=2_000)
    assert found.disk_needed_bytes == 100_000 + WORKING_PRODUCTS * 2_000
    assert Plan(products=1, bytes=1_000, largest_bytes=1_000).disk_needed_bytes == 2_000


@given(st.integers(0, 50), st.integers(0, 10**6), st.integers(0, 10**8))
def test_a_plan_fits_where_there_is_room(products, largest, free):
    found = Plan(products=products, bytes=products * largest, largest_bytes=largest, disk_free_bytes=free)
    assert found.fits is (found.disk_needed_bytes <= free)


def totals(*products):
    found = Totals()
    for each in products:
        found.add(each)
    return found


def test_totals_by_type_count_what_states_no_size():
    found = totals(product(), product(200 * MB, "S2MSI1C"), product(None), product(None, None))
    assert (found.products, found.bytes) == (4, 1000 * MB)
    assert found.unsized == {"S2MSI2A": 1, "S2MSI1C": 0, "unknown": 1}
    assert found.by_type == {"S2MSI2A": (2, 800 * MB), "S2MSI1C": (1, 200 * MB), "unknown": (1, 0)}


def test_totals_take_the_time_of_their_bytes_or_of_their_requests():
    assert totals(*[product()] * 8).seconds(LIMITS) == pytest.approx(8 * 800 / 80)
    assert totals(*[product(1)] * 250).seconds(LIMITS) == pytest.approx(120)
    assert totals(product()).seconds(ProviderSettings()) is None
