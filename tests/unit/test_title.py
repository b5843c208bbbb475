from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.catalogue.here import ELSEWHERE
from skyhaul.model import Condition, Query, Season, TimeInterval
from skyhaul.title import TITLE_MAX, title

APRIL = TimeInterval(start=datetime(2024, 4, 1, tzinfo=UTC), end=datetime(2024, 5, 1, tzinfo=UTC))
NOON = datetime(2024, 4, 1, 12, tzinfo=UTC)
BOX = "POLYGON ((11 44, 12 44, 12 45, 11 45, 11 44))"
OTHER = "((1 4, 2 4, 2 5, 1 4))"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (Query(), "cdse"),
        (
            Query(
                collection="SENTINEL-2",
                product_types=("S2MSI2A",),
                sensing=APRIL,
                area=BOX,
                area_label="po.geojson",
                cloud_max=20,
            ),
            "cdse  SENTINEL-2  S2MSI2A  2024-04-01 to 2024-04-30  po.geojson  cloud ≤ 20 %",
        ),
        (Query(product_types=("A", "B", "C", "D", "E")), "cdse  A B C and 2 more"),
        (Query(tiles=("32TQR", "32TPQ")), "cdse  32TQR 32TPQ"),
        (Query(season=Season(first=(11, 1), last=(2, 28))), "cdse  season 11-01..02-28"),
        (Query(published=TimeInterval(start=APRIL.start)), "cdse  published from 2024-04-01"),
        (Query(sensing=TimeInterval(end=APRIL.end)), "cdse  to 2024-04-30"),
        (
            Query(sensing=TimeInterval(start=APRIL.start, end=NOON)),
            "cdse  2024-04-01T00:00:00Z to 2024-04-01T12:00:00Z",
        ),
        (Query(sensing=TimeInterval(end=NOON)), "cdse  to 2024-04-01T12:00:00Z"),
        (Query(area=BOX), "cdse  an area"),
        (Query(area=f"MULTIPOLYGON (({OTHER[1:-1]}), {OTHER})", area_label="fields.kml"), "cdse  fields.kml (2 areas)"),
        (Query(cloud_min=5), "cdse  cloud ≥ 5 %"),
        (Query(cloud_min=5, cloud_max=12.5), "cdse  cloud 5 to 12.5 %"),
        (Query(orbit_direction="DESCENDING", relative_orbit=22), "cdse  descending  orbit 22"),
        (Query(polarisation="VV&VH", mode="IW", timeliness="NT"), "cdse  VV&VH  IW  NT"),
        (
            Query(
                where=(
                    Condition(attribute="snowCover", operator="lt", value=5.0),
                    Condition(attribute="productType", operator="in", value=("A", "B", "C", "D")),
                )
            ),
            "cdse  snowCover < 5.0  productType in A, B, C, …",
        ),
        (
            Query(where=tuple(Condition(attribute=name, operator="eq", value=1) for name in "abcde")),
            "cdse  a = 1  b = 1  c = 1  2 more conditions",
        ),
        (Query(names=("S2A_X",), ids=("1", "2")), "cdse  name S2A_X  2 ids"),
        (Query(online=True, latest_version=True, limit=5), "cdse  online  latest versions  at most 5"),
        (Query(online=False), "cdse  offline"),
        (Query(rules=(Query(platform="S2A", cloud_max=20),)), "cdse  S2A cloud ≤ 20 %"),
        (
            Query(
                sensing=APRIL,
                rules=(
                    Query(collection="SENTINEL-1", mode="IW"),
                    Query(collection="SENTINEL-2", tiles=("32TQR",)),
                    Query(),
                ),
            ),
            "cdse  2024-04-01 to 2024-04-30  (SENTINEL-1 IW) | (SENTINEL-2 32TQR) | (anything)",
        ),
        (
            Query(rules=tuple(Query(platform=f"S{number}") for number in range(6))),
            "cdse  (S0) | (S1) | (S2) | (3 more rules)",
        ),
    ],
)
def test_a_run_is_headed_with_what_was_asked(query, words):
    assert title(query) == words


FIELDS = {
    "collection": "SENTINEL-2", "product_types": ("A",), "sensing": APRIL, "published": APRIL, "area": BOX, "tiles": ("32TQR",),
    "cloud_min": 1.0, "cloud_max": 2.0, "orbit_direction": "ASCENDING", "relative_orbit": 1, "platform": "S2A", "polarisation": "VV",
    "mode": "IW", "timeliness": "NT", "names": ("N",), "ids": ("I",),
    "where": (Condition(attribute="a", operator="eq", value=1),), "season": Season(first=(1, 1), last=(2, 1)),
    "rules": (Query(platform="S2B"),), "online": True,
}  # fmt: skip


def test_every_field_that_chooses_is_in_the_title():
    usual = Query()
    assert set(FIELDS) == {name for name in Query.__slots__ if name not in ELSEWHERE}
    assert (
        len({title(replace(usual, **{name: value})) for name, value in FIELDS.items()} | {title(usual)})
        == len(FIELDS) + 1
    )


@given(st.text(max_size=500), st.lists(st.text(max_size=90), max_size=50), st.integers(0, 50))
def test_a_title_stays_a_line(label, names, rules):
    query = Query(area=BOX, area_label=label, tiles=tuple(names), rules=(Query(product_types=tuple(names)),) * rules)
    found = title(query)
    assert found.startswith("cdse")
    assert len(found) <= TITLE_MAX
