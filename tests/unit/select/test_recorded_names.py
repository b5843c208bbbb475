"""Names as archives gave them: baselines, reprocessings, repetition."""

from __future__ import annotations

from collections import defaultdict

import pytest

from skyhaul.select import latest_by_name, latest_versions, one_per_period
from skyhaul.select.facts import from_name, tile


@pytest.fixture
def t31ufs(shared_data):
    """Seven years of one tile."""
    return [from_name(name) for name in (shared_data / "names" / "s2_t31ufs_cdse_2016_2023.txt").read_text().split()]


def of(name):
    """What was acquired, at which level; a suffix is no part of it."""
    unit, level, sensed, _, orbit, tile_, _ = name.removesuffix(".SAFE").split("_")
    return unit, level, sensed, orbit, tile_


def test_each_acquisition_is_left_once_by_its_latest_baseline(t31ufs):
    versions = defaultdict(set)
    for product in t31ufs:
        versions[of(product.name)].add(product.name)
    kept = latest_versions(t31ufs)
    assert [of(product.name) for product in kept] == list(versions)
    assert sum(len(names) > 1 for names in versions.values()) > 100
    for product in kept:
        _, _, _, baseline, _, _, made = product.name.removesuffix(".SAFE").split("_")
        for name in versions[of(product.name)]:
            _, _, _, other, _, _, other_made = name.removesuffix(".SAFE").split("_")
            assert other == "N9999" or (baseline != "N9999" and (other, other_made) <= (baseline, made))
    assert {product.name for product in latest_versions(t31ufs[::-1])} == {product.name for product in kept}


def test_the_same_baseline_twice_leaves_the_later_one(t31ufs):
    day = [product for product in t31ufs if "_MSIL2A_20170720T" in product.name]
    assert sum("_N0500_" in product.name for product in day) == 2
    assert [product.name for product in latest_versions(day)] == [
        "S2B_MSIL2A_20170720T105029_N0500_R051_T31UFS_20231006T203407.SAFE"
    ]


def test_every_name_tells_its_tile_and_its_day(t31ufs):
    assert {tile(product) for product in t31ufs} == {"31UFS"}
    assert all(f"{product.start:%Y%m%dT%H%M%S}" == of(product.name)[2] for product in t31ufs)
    months = {(product.start.year, product.start.month) for product in t31ufs}
    assert len(one_per_period(t31ufs, "month")) == len(months) > 50
    (latest,) = latest_by_name(t31ufs, r"S2._MSIL2A_.*_T(?P<tileid>\d{2}[A-Z]{3})_")
    assert latest.start == max(product.start for product in t31ufs if "_MSIL2A_" in product.name)
