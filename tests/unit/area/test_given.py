from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from mgrs import MGRS
from pyproj import Geod, Transformer

from skyhaul.area import parse_area
from skyhaul.footprint import square_metres

SHARED = Path(os.environ.get("SKYHAUL_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
GEOD = Geod(ellps="WGS84")


def refusal(**given):
    with pytest.raises(ValueError, match=r"\S") as error:
        parse_area(**given)
    return str(error.value)


def on_circle(lon, lat, radius_m, count=720):
    azimuths = [360 * turn / count for turn in range(count)]
    lons, lats, _ = GEOD.fwd([lon] * count, [lat] * count, azimuths, [radius_m] * count)
    return shapely.points(lons, lats)


@settings(max_examples=50, deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90), st.floats(0.1, 5000))
def test_a_circle_covers_all_places_as_near_as_that_and_hardly_more(lon, lat, radius_km):
    lon, lat = round(lon, 6), round(lat, 6)
    found = shapely.from_wkt(parse_area(circle=[lon, lat, radius_km]).wkt)
    assert found.is_valid
    # Areas are written to a millionth of a degree: a tenth of a metre.
    assert shapely.covers(found, on_circle(lon, lat, radius_km * 999.999 - 0.1)).all()
    assert not shapely.covers(found, on_circle(lon, lat, radius_km * 1002 + 0.2)).any()


@pytest.mark.parametrize("circle", ["11,44,25", "0,0,1000", "179.9,60,300", "0,90,500", "20,80,1112", "30,-75,3000"])
def test_the_area_of_a_circle_is_right_on_the_ground(circle):
    _, lat, radius_km = map(float, circle.split(","))
    # A disc on a sphere of the same curvature: good to a few thousandths of the radius of the Earth.
    sine = math.sin(math.radians(lat)) ** 2
    curvature_m = 6378137 * math.sqrt(1 - 0.00669437999014) / (1 - 0.00669437999014 * sine)
    disc = 2 * math.pi * curvature_m**2 * (1 - math.cos(radius_km * 1000 / curvature_m))
    assert square_metres(parse_area(circle=circle).wkt) == pytest.approx(disc, rel=1e-3)


def test_a_circle_around_a_pole_holds_the_pole():
    found = shapely.from_wkt(parse_area(circle="20,89,300").wkt)
    assert found.covers(shapely.Point(-160, 90))
    assert found.bounds[::2] == (-180, 180)


def test_a_circle_over_the_180th_meridian_is_two():
    found = shapely.from_wkt(parse_area(circle="179.9,0,100").wkt)
    assert found.geom_type == "MultiPolygon"
    assert found.bounds[0] == -180
    assert found.bounds[2] == 180


@pytest.mark.parametrize(
    ("circle", "sentence"),
    [
        ("11,44", "is not written LON,LAT,RADIUS_KM"),
        ("11,44,0", "a radius of 0 km is not between"),
        ("11,44,9000", "a radius of 9000 km is not between"),
        ("44,111,5", "111 is no latitude"),
        ("200,1,5", "did you mean -160?"),
    ],
)
def test_no_circles(circle, sentence):
    assert sentence in refusal(circle=circle)


def test_the_label_of_a_circle():
    assert parse_area(circle="11.35,44.49,25").label == "circle 11.35,44.49,25 km"


@pytest.mark.parametrize("name", ["32TQR", "T32TQR", "32tqr"])
def test_a_tile_by_its_name(name):
    area = parse_area(aoi=name)
    assert area.label == "tile 32TQR"
    # CDSE lists 32TQR with its upper left corner at 699960 5000040 of zone 32.
    to_degrees = Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True)
    corner = shapely.Point(to_degrees.transform(699960, 5000040))
    assert shapely.from_wkt(area.wkt).boundary.distance(corner) < 2e-6


def test_a_single_digit_zone_and_a_tile_over_the_180th_meridian():
    assert parse_area(aoi="1WCQ").wkt == parse_area(aoi="01WCQ").wkt
    found = shapely.from_wkt(parse_area(aoi="01WCQ").wkt)
    assert found.geom_type == "MultiPolygon"
    assert square_metres(found.wkt) == pytest.approx(109_800**2, rel=2e-3)


def test_there_are_no_other_tiles():
    assert refusal(aoi="32TZZ") == "there is no file 32TZZ, and '32TZZ' is not WKT"
    assert refusal(aoi="61TQR") == "there is no MGRS tile 61TQR"


def test_a_file_may_be_called_like_a_tile(tmp_path):
    (tmp_path / "32TQR").write_text("POINT (7 44)")
    assert parse_area(aoi="32TQR", folder=tmp_path).wkt == "POINT (7 44)"


def test_without_the_library_tiles_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "mgrs", None)
    assert "pip install 'skyhaul[geo]'" in refusal(aoi="32TQR")


RECORDED = SHARED / "cdse-stac" / "v1"


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded items are not here")
def test_tiles_lie_where_the_recorded_images_begin():
    corners = {}
    for path in RECORDED.glob("*.json"):
        for item in _items(json.loads(path.read_text())):
            name = str(item.get("properties", {}).get("grid:code", "")).removeprefix("MGRS-")
            for asset in item.get("assets", {}).values():
                if name and len(asset.get("proj:transform", ())) >= 6 and asset.get("proj:code"):
                    corners[name] = (asset["proj:code"], asset["proj:transform"][2], asset["proj:transform"][5])
    assert corners
    for name, (crs, west_m, north_m) in corners.items():
        corner = shapely.Point(Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(west_m, north_m))
        assert shapely.from_wkt(parse_area(aoi=name).wkt).boundary.distance(corner) < 1e-5, name


def _items(document):
    found = document.get("features", [document]) if isinstance(document, dict) else []
    return [each for each in found if isinstance(each, dict)]


@pytest.mark.parametrize(
    ("name", "side_m"),
    [
        ("32TPR50", 10_000),
        ("T32tpr5050", 1_000),
        ("32TPR505050", 100),
        ("32TPR50505050", 10),
        ("32TPR5050505050", 1),
        ("33MXU9900", 1_000),
    ],
)
def test_digits_behind_a_tile_name_a_square_in_it(name, side_m):
    """Held against the library's own way from degrees to names."""
    area = parse_area(aoi=name)
    assert square_metres(area.wkt) == pytest.approx(side_m**2, rel=0.02)  # UTM stretches by up to 1 % along its rims
    middle = shapely.from_wkt(area.wkt).centroid
    digits = name.upper().removeprefix("T")[5:]
    assert MGRS().toMGRS(middle.y, middle.x, MGRSPrecision=len(digits) // 2) == name.upper().removeprefix("T")
