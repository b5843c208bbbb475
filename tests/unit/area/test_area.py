from __future__ import annotations

import io
import json
import math

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.area import parse_area

SQUARE = [[7.0, 44.0], [8.0, 44.0], [8.0, 45.0], [7.0, 45.0], [7.0, 44.0]]
HOLE = [[7.4, 44.4], [7.4, 44.6], [7.6, 44.6], [7.6, 44.4], [7.4, 44.4]]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


def collection(*geometries):
    return {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "geometry": each, "properties": {}} for each in geometries],
    }


def shape(**given):
    return shapely.from_wkt(parse_area(**given).wkt)


def refusal(**given):
    with pytest.raises(ValueError, match=r"\S") as error:
        parse_area(**given)
    return str(error.value)


def test_a_box():
    area = parse_area(bbox="7,44,12,46")
    assert area.wkt == "POLYGON ((7 44, 12 44, 12 46, 7 46, 7 44))"
    assert area.label == "bbox 7,44,12,46"
    assert parse_area(bbox=[7, 44, 12, 46]) == area


def test_a_box_over_the_180th_meridian_is_two():
    area = parse_area(bbox="170,-20,-170,-10")
    assert area.wkt == (
        "MULTIPOLYGON (((170 -20, 180 -20, 180 -10, 170 -10, 170 -20)), ((-180 -20, -170 -20, -170 -10, -180 -10, -180 -20)))"
    )
    assert "across the 180th meridian" in area.label


def test_a_box_that_begins_at_the_180th_meridian_is_one():
    assert parse_area(bbox="180,-20,-170,-10").wkt == "POLYGON ((-180 -20, -170 -20, -170 -10, -180 -10, -180 -20))"


@pytest.mark.parametrize(
    ("bbox", "sentence"),
    [
        ("12,44,7,46", "west, 12, is east of east, 7: are they swapped?"),
        ("7,46,12,44", "the order is west,south,east,north"),
        ("44,97,46,112", "97 is no latitude; longitude comes first: did you mean 97,44,112,46?"),
        ("190,1,200,2", "did you mean -170?"),
        ("7,44,7,46", "for a single place use a point"),
        ("500000,4190000,600000,4200000", "looks like metres"),
        ("1,2,3", "is not written W,S,E,N"),
        ("7;44;12;46", "is not written W,S,E,N"),
        ("a,b,c,d", "is not written W,S,E,N"),
        ("nan,1,2,3", "is not written W,S,E,N"),
        (5, "is not written W,S,E,N"),
    ],
)
def test_no_boxes(bbox, sentence):
    assert sentence in refusal(bbox=bbox)


def test_a_point():
    assert parse_area(point="11.35,44.49").wkt == "POINT (11.35 44.49)"
    assert parse_area(point="-0.0000001,0").wkt == "POINT (0 0)"


def test_a_point_with_its_axes_swapped_is_refused():
    assert refusal(point="31.6,134.6") == "134.6 is no latitude; longitude comes first: did you mean 134.6,31.6?"


@pytest.mark.parametrize("point", ["200,100", "100,95"])
def test_no_swap_is_offered_that_would_not_help(point):
    assert "did you mean" not in refusal(point=point)


def test_all_features_together_are_the_area_and_holes_stay_holes(tmp_path):
    far = [[[9.0, 44.0], [10.0, 44.0], [10.0, 45.0], [9.0, 45.0], [9.0, 44.0]]]
    (tmp_path / "region.geojson").write_text(json.dumps(collection(polygon(SQUARE, HOLE), polygon(*far))))
    area = parse_area(aoi="region.geojson", folder=tmp_path)
    found = shapely.from_wkt(area.wkt)
    assert area.label == "region.geojson"
    assert found.geom_type == "MultiPolygon"
    assert found.area == pytest.approx(2 - 0.04)
    assert not found.covers(shapely.Point(7.5, 44.5))


def test_rings_are_turned_the_usual_way_and_heights_dropped():
    clockwise = [[*position, 100.0] for position in reversed(SQUARE)]
    found = shape(aoi=polygon(clockwise))
    assert found.exterior.is_ccw
    assert not found.has_z


@pytest.mark.parametrize(
    "wkt",
    [
        "polygon((7 44, 8 44, 8 45, 7 45, 7 44))",
        "POLYGON Z ((7 44 1, 8 44 1, 8 45 1, 7 45 1, 7 44 1))",
        "SRID=4326;POLYGON((7 44,8 44,8 45,7 45,7 44))",
        "geography'SRID=4326;POLYGON((7 44,8 44,8 45,7 45,7 44))'",
        "MULTIPOLYGON(((7 44,8 44,8 45,7 45,7 44)))",
        "GEOMETRYCOLLECTION(POLYGON((7 44,8 44,8 45,7 45,7 44)))",
        "POLYGONZ((7 44 1, 8 44 1, 8 45 1, 7 45 1, 7 44 1))",
        "POLYGON ZM ((7 44 1 1, 8 44 1 1, 8 45 1 1, 7 45 1 1, 7 44 1 1))",
    ],
)
def test_wkt_as_people_have_it(wkt):
    area = parse_area(aoi=wkt)
    assert area.wkt.startswith("POLYGON ((")
    assert shapely.from_wkt(area.wkt).equals(shapely.box(7, 44, 8, 45))


def test_a_file_of_wkt_and_stdin(tmp_path, monkeypatch):
    (tmp_path / "region.wkt").write_text("POINT(7 44)\n")
    assert parse_area(aoi=str(tmp_path / "region.wkt")).wkt == "POINT (7 44)"
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(polygon(SQUARE))))
    assert parse_area(aoi="-").label == "stdin"


@pytest.mark.parametrize(
    ("aoi", "sentence"),
    [
        (
            polygon(SQUARE[:-1]),
            "a ring of the geometry is not closed: its first position, 7 44, has to be repeated at its end",
        ),
        (collection(polygon(SQUARE), polygon(SQUARE[:-1])), "a ring of feature 2 is not closed"),
        ("POLYGON((7 44,8 44,8 45,7 45))", "a ring of the polygon is not closed: its first position, 7 44"),
        (polygon([[0, 0], [1, 1], [0, 0]]), "four are the least"),
        (polygon([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]), "the polygon crosses itself near 0.5 0.5"),
        ("POLYGON((0 0,1 1,1 0,0 1,0 0))", "the polygon crosses itself near 0.5 0.5"),
        (polygon(SQUARE, [[20, 20], [21, 20], [21, 21], [20, 20]]), "is not a valid polygon (hole lies outside shell)"),
        (polygon([[500000, 4190000], [500100, 4190000], [500100, 4190100], [500000, 4190000]]), "looks like metres"),
        (
            polygon([[44, 107], [45, 107], [45, 108], [44, 107]]),
            "107 is no latitude; longitude comes first: are the axes swapped?",
        ),
        (polygon([[-179, 0], [176, 0], [176, 1], [-179, 0]]), "split the polygon there"),
        (
            {**polygon(SQUARE), "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}},
            "EPSG::32632",
        ),
        ("SRID=32632;POLYGON((7 44,8 44,8 45,7 45,7 44))", "EPSG:32632"),
        (collection(), "it holds no geometry"),
        (polygon(), "it holds no geometry"),
        ("POLYGON EMPTY", "it is empty"),
        (
            {"type": "LineString", "coordinates": [[0, 0], [1, 1]]},
            "is a LineString; an area is made of polygons, or of points",
        ),
        ("LINESTRING(0 0,1 1)", "is a LineString; an area is made of polygons, or of points"),
        (collection({"type": "Point", "coordinates": [7, 44]}, polygon(SQUARE)), "mixes points"),
        ({"type": "Topology", "objects": {}}, "'Topology' is no type of geometry"),
        ({"type": "FeatureCollection"}, "needs a list of features"),
        ({"type": "Polygon", "coordinates": [[["7", "44"]]]}, "a position is [longitude, latitude]"),
        ({"type": "Polygon", "coordinates": 5}, "not nested"),
        ("{not json", "not valid JSON"),
        ("POLYGON((a b,c d))", "is not a position of WKT"),
        ("POLYGON((7 44,8 44,8 45,7 44", "it is not valid WKT: the last parenthesis is missing"),
        ("POLYGON((1e400 0,1 0,1 1,1e400 0))", "1e400 is no position of WKT"),
        (polygon([[10**400, 0], [1, 0], [1, 1], [10**400, 0]]), "a position is [longitude, latitude]"),
        ([10**400, 0], "is not written [longitude, latitude]"),
        ({**polygon(SQUARE), "crs": "EPSG:3857"}, "EPSG:3857"),
        ({**polygon(SQUARE), "crs": {"type": "link", "properties": {"href": "elsewhere"}}}, "elsewhere"),
        ({"type": "Feature", "geometry": "POINT (7 44)"}, "'POINT (7 44)' is no geometry"),
        ('{"type":"GeometryCollection","geometries":[' * 3000, "it is nested too deeply"),
        ("[[7,44],[8,44]", "it is not valid JSON"),
        ("[[7,44],[8,44]]", "2 positions are no area"),
        ("[7,44,8,45]", "is not written [longitude, latitude]"),
        ("x" * 5000, "cannot be read (File name too long)"),
        ("", "it is empty"),
        (polygon([[7, 44], [8, 44], [9, 44], [7, 44]]), "the polygon holds nothing: its positions lie on a line"),
        ("region.geojson", "there is no file"),
        (polygon([[0, 0], [1e-8, 0], [1e-8, 1e-8], [0, 0]]), "smaller than ten centimetres"),
        (7, "neither a file nor WKT"),
    ],
)
def test_no_areas(aoi, sentence, tmp_path):
    assert sentence in refusal(aoi=aoi, folder=tmp_path)


def test_a_file_that_is_something_else(tmp_path):
    (tmp_path / "region.shp").write_bytes(b"\x00\x00\x27\x0a\xff\xfe")
    assert "neither GeoJSON, WKT, KML, a shapefile nor a GeoPackage" in refusal(aoi="region.shp", folder=tmp_path)
    (tmp_path / "region.txt").write_text("the Po valley")
    assert "neither GeoJSON, WKT nor KML" in refusal(aoi="region.txt", folder=tmp_path)
    assert "cannot be read" in refusal(aoi=".", folder=tmp_path)


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4326"])
def test_degrees_under_any_of_their_names(name):
    assert shape(aoi={**polygon(SQUARE), "crs": {"type": "name", "properties": {"name": name}}}).area == pytest.approx(
        1
    )


def test_longitudes_beyond_180_are_brought_back():
    found = shape(aoi=polygon([[176, 0], [184, 0], [184, 1], [176, 1], [176, 0]]))
    assert found.geom_type == "MultiPolygon"
    assert found.bounds == (-180, 0, 180, 1)
    assert found.area == pytest.approx(8)


def test_the_whole_world_is_no_crossing():
    assert shape(aoi=polygon([[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]])).area == 360 * 180


def test_an_object_that_describes_itself():
    assert parse_area(aoi=shapely.box(7, 44, 8, 45)).wkt == parse_area(bbox="7,44,8,45").wkt


def test_several_points_are_an_area():
    area = parse_area(
        aoi=collection({"type": "Point", "coordinates": [7, 44]}, {"type": "Point", "coordinates": [8, 45]})
    )
    assert area.wkt == "MULTIPOINT ((7 44), (8 45))"


def test_corners_are_closed():
    expected = shapely.from_wkt("POLYGON ((7 44, 8 44, 8 45, 7 44))")
    for corners in (
        "7,44 8,44 8,45",
        "7,44; 8,44; 8,45; 7,44",
        [[7, 44], [8, 44], [8, 45]],
        [(7, 44), (8, 44), (8, 45)],
    ):
        assert shape(aoi=corners).equals(expected)


@pytest.mark.parametrize("given", ["11.35,44.49", [11.35, 44.49], [[11.35, 44.49]]])
def test_one_corner_is_a_point(given):
    assert parse_area(aoi=given).wkt == "POINT (11.35 44.49)"


@pytest.mark.parametrize("written", ["7,44\n8,44\n8,45\n", " [[7, 44], [8, 44], [8, 45]]\n", "7,44 8,44 8,45 7,44"])
def test_corners_in_a_file_and_from_stdin(written, tmp_path, monkeypatch):
    corners = parse_area(aoi="7,44 8,44 8,45")
    (tmp_path / "corners.txt").write_text(written)
    monkeypatch.setattr("sys.stdin", io.StringIO(written))
    assert parse_area(aoi=written).wkt == corners.wkt
    assert parse_area(aoi=tmp_path / "corners.txt").wkt == corners.wkt
    assert parse_area(aoi="-").wkt == corners.wkt


def test_nothing_from_stdin(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert refusal(aoi="-") == "stdin is empty"


def test_a_tile_from_stdin(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("32TQR\n"))
    assert parse_area(aoi="-") == parse_area(aoi="32TQR")


def test_two_corners_are_no_area():
    assert "three corners and more" in refusal(aoi="7,44 8,45")


def test_what_was_taken_as_it_was_written_is_not_noticed():
    assert parse_area(bbox="7,44,12,46").notices == ()
    assert parse_area(aoi=polygon(SQUARE, HOLE)).notices == ()
    assert parse_area(aoi=polygon(SQUARE, HOLE)).asked is None


coordinates = st.floats(min_value=-80, max_value=80, allow_nan=False).map(lambda value: round(value, 3))


@given(coordinates, coordinates, st.floats(0.001, 5), st.integers(3, 40))
def test_every_convex_polygon_comes_through_in_upper_case_and_two_dimensions(lon, lat, radius, corners):
    ring = [
        [lon + radius * math.cos(2 * math.pi * i / corners), lat + radius * math.sin(2 * math.pi * i / corners)]
        for i in range(corners)
    ]
    wkt = parse_area(aoi=polygon([*ring, ring[0]])).wkt
    found = shapely.from_wkt(wkt)
    assert wkt == wkt.upper()
    assert found.is_valid
    assert found.exterior.is_ccw
    assert found.area == pytest.approx(shapely.Polygon(ring).area, rel=0.01)
