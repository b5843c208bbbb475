from __future__ import annotations

import pytest
import shapely

from skyhaul.area import parse_area
from skyhaul.footprint import square_metres


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


def test_a_ring_that_jumps_over_the_180th_meridian_is_taken_the_short_way():
    area = parse_area(aoi=polygon([[176, 0], [-179, 0], [-179, 1], [176, 1], [176, 0]]))
    found = shapely.from_wkt(area.wkt)
    assert found.geom_type == "MultiPolygon"
    assert found.area == pytest.approx(5)
    assert area.notices == ("the geometry crosses the 180th meridian, where it is 5 degrees wide",)


def test_a_hole_of_such_a_ring_stays_a_hole_on_either_side():
    outer = [[176, 0], [-176, 0], [-176, 4], [176, 4], [176, 0]]
    east = [[-179, 1], [-179, 2], [-178, 2], [-178, 1], [-179, 1]]
    across = [[179.5, 3], [179.5, 3.5], [-179.5, 3.5], [-179.5, 3], [179.5, 3]]
    found = shapely.from_wkt(parse_area(aoi=polygon(outer, east, across)).wkt)
    assert found.area == pytest.approx(32 - 1 - 0.5)
    assert not found.covers(shapely.Point(-178.5, 1.5))
    assert not found.covers(shapely.Point(179.8, 3.2))


def test_a_ring_that_may_be_meant_the_long_way_is_refused():
    band = [[-170, -10], [170, -10], [170, 10], [-170, 10], [-170, -10]]
    with pytest.raises(ValueError, match="an edge runs from longitude -170 to 170"):
        parse_area(aoi=polygon(band))


@pytest.mark.parametrize("lons", [(0, 90, 180, -90, 0), (-180, -90, 0, 90, 180, -180), (180, 60, -60, -180, 180)])
@pytest.mark.parametrize(("lat", "pole"), [(80, 90), (-70, -90)])
def test_a_ring_around_a_pole_holds_the_pole(lat, pole, lons):
    area = parse_area(aoi=polygon([[lon, lat] for lon in lons]))
    assert shapely.from_wkt(area.wkt).covers(shapely.Point(33, pole))
    cap = square_metres(parse_area(bbox=[-180, min(lat, pole), 180, max(lat, pole)]).wkt)
    assert square_metres(area.wkt) == pytest.approx(cap, rel=1e-9)
    assert "pole, which is taken to lie inside" in area.notices[0]


def test_a_band_along_the_edges_of_the_map_is_no_cap():
    band = [[-180, -80], [0, -80], [180, -80], [180, -60], [-180, -60], [-180, -80]]
    assert shapely.from_wkt(parse_area(aoi=polygon(band)).wkt).equals(shapely.box(-180, -80, 180, -60))


def test_longitudes_may_go_on_across_greenwich():
    ring = [[350, -10], [370, -10], [370, 10], [350, 10], [350, -10]]
    assert shapely.from_wkt(parse_area(aoi=polygon(ring)).wkt).equals(shapely.box(-10, -10, 10, 10))


def test_a_slip_of_the_pen_is_mended_and_said():
    slip = [[0, 0], [10, 0], [10, 10], [5, 10], [5.02, 10.02], [5.02, 9.98], [5, 10], [0, 10], [0, 0]]
    crossing = [[0, 0], [10, 0], [10, 10], [5, 10], [5.05, 10.05], [5.05, 9.99], [4.9, 10.02], [0, 10], [0, 0]]
    area = parse_area(aoi=polygon(crossing))
    found = shapely.from_wkt(area.wkt)
    assert found.is_valid
    assert found.area == pytest.approx(100, rel=0.01)
    assert area.notices[0].startswith("the polygon crosses itself near")
    assert area.notices[0].endswith("and was mended")
    assert shapely.from_wkt(parse_area(aoi=polygon(slip)).wkt).is_valid


def test_a_bow_tie_is_not_mended():
    with pytest.raises(ValueError, match=r"the polygon crosses itself near 0\.5 0\.5"):
        parse_area(aoi=polygon([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]))


def test_the_broken_one_of_several_is_named():
    square = [[7, 44], [8, 44], [8, 45], [7, 45], [7, 44]]
    bow = [[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]
    features = [{"type": "Feature", "geometry": polygon(ring), "properties": {}} for ring in (square, bow)]
    with pytest.raises(ValueError, match=r"a polygon of feature 2 crosses itself near 0\.5 0\.5"):
        parse_area(aoi={"type": "FeatureCollection", "features": features})


def test_polygons_that_overlap_are_counted_once():
    whole = {"type": "GeometryCollection", "geometries": [polygon([[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]])] * 2}
    assert shapely.from_wkt(parse_area(aoi=whole).wkt).area == 4
