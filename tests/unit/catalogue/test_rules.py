from __future__ import annotations

import pytest

from skyhaul.catalogue.rules import folded, fragment, narrowed, shares
from skyhaul.model import Condition, Query

CLOUD = Condition(attribute="cloudCover", operator="le", value=20.0)


@pytest.mark.parametrize(
    ("written", "table"),
    [
        (
            "platform=SENTINEL-2,product_type=S2MSI2A,cloud_max=20",
            {"platform": "SENTINEL-2", "product_type": "S2MSI2A", "cloud_max": "20"},
        ),
        # A comma that no key follows belongs to the value.
        ("polarisation=VV,VH, op_mode=IW", {"polarisation": "VV,VH", "mode": "IW"}),
        ("product_type=S2MSI1C|S2MSI2A", {"product_type": ["S2MSI1C", "S2MSI2A"]}),
        ("product_type=A,product_type=B", {"product_type": ["A", "B"]}),
        ("orbit=ASCENDING,serial=A|B,level=L2", {"orbit_direction": "ASCENDING", "serial": ["A", "B"], "level": "L2"}),
        (
            "content_start=2024-01-01,pub_end=30d,pub_start=60d,content_end=2024-02-01",
            {"start": "2024-01-01", "published_end": "30d", "published_start": "60d", "end": "2024-02-01"},
        ),
        ("cloudCover<=20,mode=IW", {"where": ["cloudCover<=20"], "mode": "IW"}),
        ("productType in (A, B),cloudCover 10..20", {"where": ["productType in (A, B)", "cloudCover 10..20"]}),
        ("platformShortName=SENTINEL-2", {"where": ["platformShortName=SENTINEL-2"]}),
        ("baseline>=05.00,baseline<05.10", {"baseline": [">=05.00", "<05.10"]}),
        ("cloudCover..20,mode=IW", {"where": ["cloudCover ..20"], "mode": "IW"}),
        ("baseline=05.10", {"baseline": ["05.10"]}),
        ("season=04-01..06-30", {"season": "04-01..06-30"}),
        (
            {"platform": "SENTINEL-1", "polarisation": ["VV", "VV,VH"], "cloud_min": 5},
            {"platform": "SENTINEL-1", "polarisation": ["VV", "VV,VH"], "cloud_min": 5},
        ),
        ({"productType": ["A", "B"], "sliceProductFlag": True}, {"where": ["productType in (A, B)", "sliceProductFlag=true"]}),
        ({"where": ["cloudCover<=5"], "relativeOrbitNumber": 22}, {"where": ["cloudCover<=5", "relativeOrbitNumber=22"]}),
    ],
)  # fmt: skip
def test_rules_as_they_are_written(written, table):
    assert fragment(written) == table


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", "restricts nothing"),
        ({}, "restricts nothing"),
        (5, "is not a rule: write platform="),
        ("SENTINEL-2", "is not KEY=VALUE"),
        ("clod_max=20", "did you mean cloud_max"),
        ("weight=5", "known are collection, product_type"),
        ("bbox=1", "bbox is said of the whole query"),
        ({"limit": 5}, "limit is said of the whole query"),
    ],
)
def test_no_rules(written, sentence):
    with pytest.raises(ValueError, match=r"\S") as error:
        fragment(written)
    assert sentence in str(error.value)


def test_a_single_rule_is_said_of_the_whole_as_far_as_both_can_be_said():
    rule = Query(collection="SENTINEL-2", cloud_max=20.0, platform="S2A", where=(CLOUD,))
    found = folded(Query(cloud_max=50.0, platform="S2A", rules=(rule,)))
    assert found == Query(
        collection="SENTINEL-2", cloud_max=50.0, platform="S2A", where=(CLOUD,), rules=(Query(cloud_max=20.0),)
    )
    two = Query(rules=(rule, rule))
    assert folded(two) is two


def test_parts_are_as_long_as_may_be_and_hold_everything():
    query = Query(tiles=tuple(f"31T{n}" for n in range(100)), product_types=("A", "B"))
    parts = shares(query, fits=lambda part: len(part.tiles) <= 30, apart=lambda _: False)
    assert [len(part.tiles) for part in parts] == [25, 25, 25, 25]
    assert tuple(tile for part in parts for tile in part.tiles) == query.tiles
    assert {part.product_types for part in parts} == {("A", "B")}


def test_what_cannot_be_cut_is_left_to_the_archive():
    query = Query(area="POLYGON(...)", collection="SENTINEL-2")
    assert shares(query, fits=lambda _: False, apart=lambda _: False) == (query,)
    rule = Query(mode="IW")
    assert shares(Query(rules=(rule,)), fits=lambda _: False, apart=lambda _: False) == (Query(mode="IW"),)


def test_rules_are_kept_together_where_they_can_be():
    rules = tuple(Query(mode=mode) for mode in ("IW", "EW", "SM"))
    (joint, alone) = shares(Query(rules=rules), fits=lambda _: True, apart=lambda rule: rule.mode == "EW")
    assert [rule.mode for rule in joint.rules] == ["IW", "SM"]
    assert alone == Query(mode="EW")


def test_a_query_without_rules_is_left_as_it_is():
    query = Query(collection="SENTINEL-2")
    assert narrowed(query) is query
