from __future__ import annotations

import io
import sys
import zipfile

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Transformer

from skyhaul.area import parse_area
from skyhaul.footprint import square_metres

SQUARE = shapely.box(7, 44, 8, 45)
HOLED = SQUARE.difference(shapely.box(7.4, 44.4, 7.6, 44.6))
FAR = shapely.box(9, 44, 10, 45)


def write(path, *shapes, crs="EPSG:4326", layer=None, kind="Polygon", append=False):
    pyogrio.raw.write(
        path,
        geometry=np.array([shapely.to_wkb(each) for each in shapes], dtype=object),
        field_data=[np.arange(len(shapes))],
        fields=np.array(["n"], dtype=object),
        geometry_type=kind,
        crs=crs,
        layer=layer,
        append=append,
    )
    return path


@pytest.mark.parametrize("suffix", ["shp", "gpkg", "fgb"])
def test_all_features_of_a_file_with_their_holes(tmp_path, suffix):
    area = parse_area(aoi=write(tmp_path / f"region.{suffix}", HOLED, FAR))
    found = shapely.from_wkt(area.wkt)
    assert area.label == f"region.{suffix}"
    assert found.equals(shapely.union(HOLED, FAR))


def test_a_zipped_shapefile(tmp_path):
    write(tmp_path / "region.shp", HOLED)
    with zipfile.ZipFile(tmp_path / "region.zip", "w") as archive:
        for part in tmp_path.glob("region.*"):
            if part.suffix != ".zip":
                archive.write(part, part.name)
    assert shapely.from_wkt(parse_area(aoi=tmp_path / "region.zip").wkt).equals(HOLED)


def test_shapefiles_in_the_folders_of_a_zip_are_one_area(tmp_path):
    for name, west in (("a", 7), ("b", 9)):
        write(tmp_path / f"{name}.shp", shapely.box(west, 44, west + 1, 45))
    with zipfile.ZipFile(tmp_path / "regions.zip", "w") as archive:
        archive.writestr("__MACOSX/data/._a.shp", b"what a Mac adds")
        for part in sorted(tmp_path.glob("[ab].*")):
            archive.write(part, f"data/{part.stem}/{part.name}")
    found = shapely.from_wkt(parse_area(aoi=tmp_path / "regions.zip").wkt)
    assert found.equals(shapely.box(7, 44, 8, 45).union(shapely.box(9, 44, 10, 45)))


def test_a_shapefile_alone_names_what_is_missing(tmp_path):
    write(tmp_path / "region.shp", shapely.box(7, 44, 8, 45))
    (tmp_path / "region.shx").unlink()
    with pytest.raises(ValueError, match=r"beside .*region\.shp there is no region\.shx"):
        parse_area(aoi=tmp_path / "region.shp")


def test_coordinates_that_lie_nowhere_on_the_earth_are_refused(tmp_path):
    write(tmp_path / "plan.gpkg", shapely.box(0, 0, 10, 10), crs='LOCAL_CS["building",UNIT["metre",1]]')
    with pytest.raises(ValueError, match="nobody knows where on the Earth"):
        parse_area(aoi=tmp_path / "plan.gpkg")


def test_all_layers_of_a_geopackage(tmp_path):
    path = write(tmp_path / "region.gpkg", SQUARE, layer="one")
    write(path, FAR, layer="two", append=True)
    assert shapely.from_wkt(parse_area(aoi=path).wkt).area == pytest.approx(2)


def test_metres_are_brought_to_degrees_edge_by_edge(tmp_path):
    path = write(tmp_path / "utm.gpkg", shapely.box(300_000, 4_900_000, 700_000, 5_000_000), crs="EPSG:32632")
    area = parse_area(aoi=path)
    found = shapely.from_wkt(area.wkt)
    # Halfway along the northern edge: straight in metres, a bow in degrees.
    to_degrees = Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True)
    middle = shapely.Point(to_degrees.transform(500_000, 5_000_000))
    assert found.boundary.distance(middle) < 1e-5
    assert square_metres(area.wkt) == pytest.approx(400_000 * 100_000, rel=1e-3)


def test_coordinates_of_no_known_kind_are_degrees_or_refused(tmp_path):
    with pytest.warns(UserWarning, match="crs"):
        path = write(tmp_path / "plain.shp", SQUARE, crs=None)
    assert shapely.from_wkt(parse_area(aoi=path).wkt).equals(SQUARE)
    with pytest.warns(UserWarning, match="crs"):
        metres = write(tmp_path / "metres.shp", shapely.box(300_000, 4_900_000, 700_000, 5_000_000), crs=None)
    with pytest.raises(ValueError, match="looks like metres"):
        parse_area(aoi=metres)


def test_a_layer_of_points(tmp_path):
    path = write(tmp_path / "sites.gpkg", shapely.Point(7, 44), shapely.Point(8, 45), kind="Point")
    assert parse_area(aoi=path).wkt == "MULTIPOINT ((7 44), (8 45))"


def test_a_layer_of_lines_is_refused_by_the_number_of_its_feature(tmp_path):
    path = write(tmp_path / "roads.gpkg", shapely.LineString([(0, 0), (1, 1)]), kind="LineString")
    with pytest.raises(ValueError, match="feature 1 is a LineString"):
        parse_area(aoi=path)


def test_a_layer_without_features(tmp_path):
    path = tmp_path / "none.gpkg"
    write(path)
    with pytest.raises(ValueError, match="it holds no geometry"):
        parse_area(aoi=path)


def test_without_the_library_such_files_are_refused_with_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path / "region.gpkg", SQUARE)
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    with pytest.raises(ValueError, match=r"need the extra geo: pip install 'skyhaul\[geo\]'"):
        parse_area(aoi=path)


def test_kmz_is_kml_in_a_zip(tmp_path):
    corners = "7,44 8,44 8,45 7,45 7,44"
    placed = f"<outerBoundaryIs><LinearRing><coordinates>{corners}</coordinates></LinearRing></outerBoundaryIs>"
    with zipfile.ZipFile(tmp_path / "region.kmz", "w") as archive:
        archive.writestr("doc.kml", f"<kml><Placemark><Polygon>{placed}</Polygon></Placemark></kml>")
    assert shapely.from_wkt(parse_area(aoi=tmp_path / "region.kmz").wkt).equals(SQUARE)


def test_a_broken_zip(tmp_path):
    (tmp_path / "region.kmz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match="is a broken zip"):
        parse_area(aoi=tmp_path / "region.kmz")


def test_stdin_that_is_no_text(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\x00"), encoding="utf-8"))
    with pytest.raises(ValueError, match="stdin is not text"):
        parse_area(aoi="-")
