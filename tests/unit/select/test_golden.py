"""The golden set: what is kept of small worlds, worked out once by brute force and written down in ``golden.jsonl``."""

from __future__ import annotations

import json
from collections import Counter
from copy import deepcopy
from pathlib import Path

import pytest

from skyhaul import select
from support.choosing import area_wkt, ask, product_of, shown_percent

LINES = [json.loads(line) for line in Path(__file__).with_name("golden.jsonl").read_text().splitlines()]
WORLDS = {line["world"]: line["products"] for line in LINES if "products" in line}
CASES = [line for line in LINES if "call" in line]
COVERS = ("latest_cover", "smallest_cover")


def named(case):
    return f"{case['world']}-{case['call']}-{json.dumps(case['options'])}"


def chosen(case, products):
    options = {**case["options"], **({"area": area_wkt(case["options"]["area"])} if "area" in case["options"] else {})}
    return getattr(select, case["call"])(products, **options)


def ids(found):
    return [product.id for product in getattr(found, "products", found)]


def test_there_are_enough_of_them():
    counted = Counter(case["call"] for case in CASES)
    assert sum(counted.values()) >= 300
    assert set(counted) == {
        "by_date",
        "by_property",
        "latest_by_name",
        "latest_versions",
        "limit",
        "nearest",
        "one_per_period",
        "online",
        "overlapping",
        *COVERS,
    }
    assert sum(0 < len(case["kept"]) < len(WORLDS[case["world"]]) for case in CASES) > len(CASES) / 2


@pytest.mark.parametrize("case", CASES, ids=named)
def test_what_is_kept(case):
    products = [product_of(spec) for spec in WORLDS[case["world"]]]
    before = deepcopy(products)
    assert ids(chosen(case, products)) == case["kept"]
    backwards = ids(chosen(case, products[::-1]))
    # Where the order of the input is kept it is turned round; a cover has an order of its own.
    assert backwards == case["kept"] if case["call"] in COVERS else sorted(backwards) == sorted(case["kept"])
    assert products == before


@pytest.mark.parametrize("case", [case for case in CASES if case["call"] in COVERS], ids=named)
def test_what_a_cover_says_of_itself(case):
    specs = WORLDS[case["world"]]
    cover = chosen(case, map(product_of, specs))
    kept = [spec for spec in specs if spec["id"] in case["kept"]]
    assert cover.percent == pytest.approx(shown_percent(kept, case["options"]["area"]), abs=0.02)
    if case["call"] == "smallest_cover":
        assert cover.at_least == len(case["kept"])


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_oracle_still_says_so(case):
    assert ask(case["call"], WORLDS[case["world"]], case["options"]) == case["kept"]
