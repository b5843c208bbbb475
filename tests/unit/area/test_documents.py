from __future__ import annotations

import pytest
import shapely

from skyhaul.area import parse_area

SQUARE = "7,44,0 8,44,0 8,45,0 7,45,0 7,44,0"
HOLE = "7.4,44.4 7.4,44.6 7.6,44.6 7.6,44.4 7.4,44.4"


def ring(coordinates):
    return f"<LinearRing><coordinates>\n  {coordinates}\n</coordinates></LinearRing>"


def kml(*geometries, namespace=' xmlns="http://www.opengis.net/kml/2.2"'):
    marks = "".join(f"<Placemark><name>n</name>{each}</Placemark>" for each in geometries)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<kml{namespace}><Document><Folder>{marks}</Folder></Document></kml>'
    )


def outlined(coordinates, *holes):
    inner = "".join(f"<innerBoundaryIs>{ring(hole)}</innerBoundaryIs>" for hole in holes)
    return f"<Polygon><outerBoundaryIs>{ring(coordinates)}</outerBoundaryIs>{inner}</Polygon>"


@pytest.mark.parametrize("namespace", ["", ' xmlns="http://earth.google.com/kml/2.1"'])
def test_kml_with_a_hole_in_any_namespace(tmp_path, namespace):
    (tmp_path / "region.kml").write_text(kml(outlined(SQUARE, HOLE), namespace=namespace))
    area = parse_area(aoi="region.kml", folder=tmp_path)
    found = shapely.from_wkt(area.wkt)
    assert area.label == "region.kml"
    assert found.area == pytest.approx(1 - 0.04)
    assert not found.has_z


def test_all_placemarks_together_are_the_area():
    far = "20,44 21,44 21,45 20,45 20,44"
    several = f"<MultiGeometry>{outlined(SQUARE)}{outlined(far)}</MultiGeometry>"
    found = shapely.from_wkt(parse_area(aoi=kml(several, outlined("30,1 31,1 31,2 30,1"))).wkt)
    assert found.geom_type == "MultiPolygon"
    assert found.area == pytest.approx(2.5)


def test_points_of_kml():
    assert parse_area(aoi=kml("<Point><coordinates>7,44,120</coordinates></Point>")).wkt == "POINT (7 44)"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (kml("<LineString><coordinates>1,2 3,4</coordinates></LineString>"), "placemark 1 is a LineString"),
        (kml(), "it holds no geometry"),
        (kml(outlined("7,44 8,44 8,45")), "a ring of placemark 1 is not closed"),
        (kml(outlined("7 44 8 44")), "has a position '7'; KML writes longitude,latitude"),
        ("<gpx></gpx>", "it is XML, but no KML: it is a gpx"),
        ("<kml>", "it is not valid KML"),
        ('<!DOCTYPE k [<!ENTITY a "b">]><kml>&a;</kml>', "it is not valid KML"),
        (kml(outlined("44,107 45,107 45,108 44,107")), "are the axes swapped?"),
    ],
)
def test_no_kml(text, sentence):
    with pytest.raises(ValueError, match=r"\S") as error:
        parse_area(aoi=text)
    assert sentence in str(error.value)


@pytest.mark.parametrize("text", ["POLYGON((0 0, 1 nan, 1 1, 0 0))", "POINT(1 -inf)", "POINT(Infinity 1)"])
def test_what_is_no_number_is_refused_without_a_warning(text):
    with pytest.raises(ValueError, match="is no position of WKT"):
        parse_area(aoi=text)
