from __future__ import annotations

import math
import random
from urllib.parse import quote

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from skyhaul.area import parse_area
from skyhaul.area.outward import VERTICES_MAX
from skyhaul.catalogue.odata import filter_text
from skyhaul.model import Query, TimeInterval


def star(lon, lat, radius, corners, seed):
    wobble = random.Random(seed)
    turns = [2 * math.pi * i / corners for i in range(corners)]
    radii = [radius * wobble.uniform(0.9, 1.1) for _ in turns]
    ring = [[lon + math.cos(t) * r, lat + math.sin(t) * r] for t, r in zip(turns, radii, strict=True)]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


@settings(max_examples=25, deadline=None)
@given(st.floats(-170, 170), st.floats(-75, 75), st.floats(0.01, 12), st.integers(301, 1500), st.integers(0, 99))
def test_what_is_asked_for_covers_the_area_and_fits_a_filter(lon, lat, radius, corners, seed):
    area = parse_area(aoi=star(lon, lat, radius, corners, seed))
    asked, exact = shapely.from_wkt(area.asked), shapely.from_wkt(area.wkt)
    assert asked.covers(exact)
    assert shapely.get_num_coordinates(asked) <= VERTICES_MAX
    west, south, east, north = asked.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90


def test_the_area_stays_exact_and_the_archive_is_asked_for_little_more():
    drawn = star(10, 45, 1, 2000, 1)
    area = parse_area(aoi=drawn)
    exact = shapely.from_wkt(area.wkt)
    assert exact.symmetric_difference(shapely.Polygon(drawn["coordinates"][0])).area < 1e-4
    assert shapely.from_wkt(area.asked).area < exact.area * 1.4
    assert area.notices[0].startswith("2001 vertices are too many for a filter: the archive is asked for")


def test_the_filter_asks_for_the_simple_area():
    area = parse_area(aoi=star(10, 45, 1, 2000, 1))
    text = filter_text(Query(area=area.wkt, area_asked=area.asked), TimeInterval())
    assert area.asked.upper() in text
    assert len(quote(text, safe="$(),:/")) < 6000


def test_many_islands_become_few():
    wobble = random.Random(3)
    islands = [star(100 + wobble.uniform(0, 9), wobble.uniform(0, 9), 0.05, 12, seed) for seed in range(120)]
    whole = {"type": "GeometryCollection", "geometries": islands}
    area = parse_area(aoi=whole)
    asked = shapely.from_wkt(area.asked)
    assert asked.covers(shapely.from_wkt(area.wkt))
    assert shapely.get_num_geometries(asked) < 60


def test_many_points_are_asked_for_as_an_area():
    wobble = random.Random(3)
    points = [[wobble.uniform(0, 9), wobble.uniform(0, 9)] for _ in range(500)]
    area = parse_area(aoi={"type": "MultiPoint", "coordinates": points})
    assert area.wkt.startswith("MULTIPOINT")
    assert shapely.from_wkt(area.asked).covers(shapely.from_wkt(area.wkt))


@pytest.mark.parametrize("circle", ["11,44,25", "0,0,1000"])
def test_circles_fit_as_they_are(circle):
    assert parse_area(circle=circle).asked is None
