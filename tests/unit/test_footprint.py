from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from skyhaul.area import parse_area
from skyhaul.footprint import area_check, coverage, geometry, meets, square_metres, turned
from skyhaul.model import Product, Query

SHARED = Path(os.environ.get("SKYHAUL_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
RECORDED = SHARED / "footprints" / "from_collected_responses.geojsonl"
AREA = parse_area(bbox="7,44,12,46").wkt
PACIFIC = parse_area(bbox="170,-20,-170,-10").wkt


def box(west, south, east, north, kind="Polygon"):
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": kind, "coordinates": [ring] if kind == "Polygon" else [[ring]]}


@pytest.mark.parametrize(
    ("footprint", "percent"),
    [
        (box(0, 40, 20, 50), 100.0),
        (box(7, 44, 9.5, 46), 50.0),
        (box(7, 44, 9.5, 46, "MultiPolygon"), 50.0),
        (box(20, 44, 30, 46), 0.0),
        (None, None),
        ({"type": "LineString", "coordinates": [[7, 44], [12, 46]]}, None),
        ({"type": "Polygon", "coordinates": []}, None),
    ],
)
def test_the_share_of_the_area_that_is_covered(footprint, percent):
    assert coverage(AREA, footprint) == percent


def test_areas_are_compared_on_the_ground_and_not_in_degrees():
    # Half the degrees, but the northern half is the smaller one.
    north = coverage(parse_area(bbox="0,0,10,80").wkt, box(0, 40, 10, 80))
    assert north is not None
    assert 34 < north < 36


def test_a_point_is_covered_or_not():
    point = parse_area(point="7.5,44.5").wkt
    assert coverage(point, box(7, 44, 8, 45)) == 100.0
    assert coverage(point, box(8, 44, 9, 45)) == 0.0


@pytest.mark.parametrize(
    "footprint",
    [
        {"type": "Polygon", "coordinates": [[[175, -20], [-175, -20], [-175, -10], [175, -10], [175, -20]]]},
        {"type": "Polygon", "coordinates": [[[175, -20], [175, -10], [-175, -10], [-175, -20], [175, -20]]]},
        box(175, -20, 185, -10),
        box(-185, -20, -175, -10),
        {
            "type": "MultiPolygon",
            "coordinates": [box(175, -20, 180, -10)["coordinates"], box(-180, -20, -175, -10)["coordinates"]],
        },
    ],
    ids=["jumping", "jumping clockwise", "beyond 180", "below -180", "split"],
)
def test_the_180th_meridian_however_it_is_crossed(footprint):
    assert coverage(PACIFIC, footprint) == 50.0


def test_of_several_points_the_share_that_is_covered():
    points = parse_area(aoi="MULTIPOINT(7.5 44.5, 9.5 44.5, 11.5 44.5, 50 1)").wkt
    assert coverage(points, box(7, 44, 10, 45)) == 50.0


@settings(max_examples=60, deadline=None)
@given(st.floats(-170, 170), st.floats(-88, 88), st.floats(1e-3, 20), st.integers(3, 9))
def test_areas_are_those_of_the_ellipsoid(lon, lat, radius, corners):
    around = shapely.Point(lon, lat).buffer(radius, quad_segs=corners)
    inside = around.intersection(shapely.box(-180, -89.5, 180, 89.5))
    expected, _ = Geod(ellps="WGS84").geometry_area_perimeter(shapely.segmentize(inside, radius / 500))
    assert square_metres(inside.wkt) == pytest.approx(abs(expected), rel=1e-3)


def test_a_product_in_the_exact_area_is_kept_and_one_in_the_simple_area_alone_is_not():
    exact, simple = "POLYGON ((0 0, 4 0, 4 4, 2 1, 0 4, 0 0))", "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0))"
    keeps = area_check(Query(area=exact, area_asked=simple))
    assert keeps is not None

    def product(footprint):
        return Product(id="1", name="a", provider="cdse", footprint=footprint)

    assert keeps(product(box(0, 0, 1, 1)))
    assert not keeps(product(box(1.9, 3, 2.1, 4)))
    assert keeps(product(box(4, 0, 5, 1))), "touching is enough"
    assert keeps(product(None)), "the archive has said it"
    assert not keeps(product({"type": "LineString", "coordinates": [[2, 3], [2, 9]]}))
    assert keeps(product({"type": "MultiLineString", "coordinates": [[[2, 3], [2, 9]], [[-1, 1], [5, 1]]]}))


def test_where_the_archive_is_asked_for_the_area_itself_nothing_is_left_to_do():
    assert area_check(Query()) is None
    assert area_check(Query(area=AREA)) is None


def test_an_area_with_its_axes_exchanged():
    assert shapely.from_wkt(turned(AREA)).equals(shapely.box(44, 7, 46, 12))
    assert shapely.from_wkt(turned("POINT (34.665 31.625)")).equals(shapely.Point(31.625, 34.665))
    assert turned("POINT (107 44)") is None, "there is no latitude of 107 degrees"


def test_what_has_no_footprint_has_no_place_in_common():
    assert meets(AREA, box(7, 44, 8, 45))
    assert not meets(AREA, None)
    assert not meets(AREA, {"type": "Polygon", "coordinates": []})


def test_a_track_over_the_180th_meridian():
    track = {"type": "LineString", "coordinates": [[170, -15], [-170, -15]]}
    assert meets(parse_area(bbox="179,-16,180,-14").wkt, track)
    assert meets(parse_area(bbox="-180,-16,-179,-14").wkt, track)
    assert not meets(parse_area(bbox="0,-16,1,-14").wkt, track)
    assert geometry(track).length == pytest.approx(20)


def test_points_are_footprints_too():
    assert meets(AREA, {"type": "Point", "coordinates": [7.5, 44.5]})
    assert meets(AREA, {"type": "MultiPoint", "coordinates": [[0, 0], [7.5, 44.5, 100]]})


def test_a_ring_around_a_pole_covers_the_pole():
    cap = {"type": "Polygon", "coordinates": [[[lon, 80] for lon in (-180, -90, 0, 90, 180)]]}
    assert coverage(parse_area(bbox="10,85,20,89").wkt, cap) == 100.0
    jumping = {"type": "Polygon", "coordinates": [[[lon, -70] for lon in (100, 179, -100, -10, 100)]]}
    assert coverage(parse_area(bbox="10,-89,20,-85").wkt, jumping) == 100.0


def test_holes_are_not_covered_and_a_crossing_ring_still_counts():
    holed = {
        "type": "Polygon",
        "coordinates": [box(7, 44, 12, 46)["coordinates"][0], box(7, 44, 9.5, 46)["coordinates"][0]],
    }
    assert coverage(AREA, holed) == 50.0
    bow = {"type": "Polygon", "coordinates": [[[7, 44], [12, 46], [12, 44], [7, 46], [7, 44]]]}
    assert coverage(AREA, bow) == pytest.approx(50, abs=0.5)


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded footprints are not here")
def test_every_recorded_footprint_is_measured_and_spans_what_it_can():
    world = parse_area(bbox="-179.999999,-90,179.999999,90").wkt
    for line in RECORDED.read_text().splitlines():
        entry = json.loads(line)
        share = coverage(world, entry["geometry"])
        if entry["geometry"]["type"] in {"Polygon", "MultiPolygon"}:
            # Tiles of Sentinel-2 and scenes of Sentinel-1 are a small part of the world, wherever they lie.
            assert share is not None, entry["name"]
            assert 0 <= share <= 100, entry["name"]
            if str(entry["name"]).startswith(("S1", "S2")):
                assert share < 1, entry["name"]
        else:
            assert share is None, entry["name"]
