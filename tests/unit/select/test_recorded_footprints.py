"""Footprints as archives gave them: across the 180th meridian, round a pole, with holes, as tracks."""

from __future__ import annotations

import json

import pytest

from skyhaul.model import Product
from skyhaul.select import latest_cover, overlapping, smallest_cover, with_coverage

WORLD = "POLYGON ((-180 -90, 180 -90, 180 90, -180 90, -180 -90))"
EUROPE = "POLYGON ((0 40, 20 40, 20 60, 0 60, 0 40))"


@pytest.fixture
def recorded(shared_data):
    lines = (shared_data / "footprints" / "from_collected_responses.geojsonl").read_text().splitlines()
    return [
        Product(id=str(number), name=f"{number}", provider="cdse", footprint=json.loads(line)["geometry"])
        for number, line in enumerate(lines)
    ]


def test_every_one_of_them_is_somewhere(recorded):
    assert overlapping(recorded, WORLD) == overlapping(recorded, WORLD, relation="within") == recorded
    tracks = [each for each in recorded if "Line" in each.footprint["type"]]
    assert tracks
    assert [each for each in with_coverage(recorded, WORLD) if each.coverage is None] == tracks


def test_every_one_of_them_may_be_part_of_a_cover(recorded):
    latest, smallest = latest_cover(recorded, EUROPE), smallest_cover(recorded, EUROPE)
    assert len(smallest.products) == smallest.at_least < len(latest.products)
    assert smallest.percent == pytest.approx(latest.percent, abs=0.1)
    assert 0 < smallest.percent < 100
