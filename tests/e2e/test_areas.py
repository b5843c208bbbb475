"""Areas in every form that people have them in: what is found is what the footprints say, however the archive was asked."""

from __future__ import annotations

import json
import math

import pytest
import shapely

from skyhaul.area import parse_area

CENTRE = (11.3, 45.0)


def comb(teeth: int, reach: float) -> shapely.Polygon:
    """A ring of many teeth, far too long for a filter."""
    turns = [2 * math.pi * step / (2 * teeth) for step in range(2 * teeth)]
    ring = [
        (
            CENTRE[0] + math.cos(turn) * reach * (1 if step % 2 else 0.25),
            CENTRE[1] + math.sin(turn) * reach * (1 if step % 2 else 0.25),
        )
        for step, turn in enumerate(turns)
    ]
    return shapely.Polygon(ring)


@pytest.fixture(scope="module")
def everything(served, warm, tmp_path_factory):
    """All products of the region, with their footprints."""
    from support.served import Skyhaul  # noqa: PLC0415 this fixture alone needs it

    ran = Skyhaul(tmp_path_factory.mktemp("all"), served.environment, warm)("search", "--bbox", "0,35,30,60", "--json")
    assert ran.code == 0, ran.err
    return {line["id"]: shapely.geometry.shape(line["footprint"]) for line in ran.lines}


def ids(ran):
    assert ran.code in {0, 3}, ran.err
    return {line["id"] for line in ran.lines}


@pytest.mark.parametrize("reach", [0.4, 1.3, 2.2])
def test_an_area_too_long_for_a_filter_finds_what_the_area_itself_would(skyhaul, everything, reach):
    area = comb(400, reach)
    (skyhaul.folder / "comb.geojson").write_text(json.dumps(shapely.geometry.mapping(area)))
    ran = skyhaul("search", "--aoi", "comb.geojson", "--json")
    exact = shapely.from_wkt(parse_area(aoi=shapely.geometry.mapping(area)).wkt)
    assert ids(ran) == {name for name, footprint in everything.items() if footprint.intersects(exact)}
    assert "comb.geojson: 801 vertices are too many for a filter" in ran.err


def test_ten_thousand_vertices_find_what_they_hold_and_no_more(skyhaul, everything):
    turns = [2 * math.pi * step / 10_000 for step in range(10_000)]
    reach = [0.5 * (1 + 0.3 * math.sin(41 * turn) + 0.02 * math.sin(1237 * turn)) for turn in turns]
    shore = [
        (CENTRE[0] + far * math.cos(turn), CENTRE[1] + far * math.sin(turn))
        for far, turn in zip(reach, turns, strict=True)
    ]
    area = shapely.Polygon(shore, [shapely.Point(CENTRE).buffer(0.2).exterior.coords])
    (skyhaul.folder / "lake.geojson").write_text(json.dumps(shapely.geometry.mapping(area)))
    ran = skyhaul("search", "--aoi", "lake.geojson", "--json")
    assert ids(ran) == {name for name, footprint in everything.items() if footprint.intersects(area)}
    assert 0 < len(ran.lines) < len(everything)


def test_what_lies_in_the_simple_area_alone_is_left_out_and_not_counted(skyhaul, everything):
    smallest = min(everything.values(), key=lambda footprint: footprint.area)
    hole = smallest.buffer(0.02)
    # Simpler areas have no holes: the archive is asked for what lies in it too.
    ring = hole.centroid.buffer(math.hypot(hole.bounds[2] - hole.bounds[0], hole.bounds[3] - hole.bounds[1]), 150)
    area = ring.difference(hole)
    found = parse_area(aoi=area)
    exact, asked = shapely.from_wkt(found.wkt), shapely.from_wkt(found.asked)
    inside = {name for name, footprint in everything.items() if footprint.intersects(exact)}
    around = {name for name, footprint in everything.items() if footprint.intersects(asked)}
    assert inside < around, "else this shows nothing"
    (skyhaul.folder / "ring.wkt").write_text(area.wkt)
    assert ids(skyhaul("search", "--aoi", "ring.wkt", "--json")) == inside
    assert skyhaul("search", "--aoi", "ring.wkt", "--count").out == f"{len(inside)}\n"


def test_a_circle(skyhaul, everything):
    exact = shapely.from_wkt(parse_area(circle="11.3,45,60").wkt)
    found = ids(skyhaul("search", "--circle", "11.3,45,60", "--json"))
    assert found == {name for name, footprint in everything.items() if footprint.intersects(exact)}
    assert found


def test_the_same_area_in_every_form_finds_the_same(skyhaul):
    square = shapely.box(11, 44.5, 12, 45.5)
    (skyhaul.folder / "a.geojson").write_text(json.dumps(shapely.geometry.mapping(square)))
    (skyhaul.folder / "a.wkt").write_text(square.wkt)
    corners = "11,44.5 12,44.5 12,45.5 11,45.5 11,44.5"
    outer = f"<outerBoundaryIs><LinearRing><coordinates>{corners}</coordinates></LinearRing></outerBoundaryIs>"
    (skyhaul.folder / "a.kml").write_text(f"<kml><Placemark><Polygon>{outer}</Polygon></Placemark></kml>")
    forms = [
        ("--bbox", "11,44.5,12,45.5"),
        ("--aoi", "a.geojson"),
        ("--aoi", "a.wkt"),
        ("--aoi", "a.kml"),
        ("--aoi", square.wkt),
        ("--aoi", corners),
    ]
    found = [ids(skyhaul("search", *form, "--json")) for form in forms]
    assert found[0]
    assert found == [found[0]] * len(forms)
    piped = skyhaul("search", "--aoi", "-", "--json", stdin=json.dumps(shapely.geometry.mapping(square)))
    assert ids(piped) == found[0]


def test_a_tile_as_an_area_finds_what_lies_across_it(skyhaul, everything):
    exact = shapely.from_wkt(parse_area(aoi="32TQR").wkt)
    found = ids(skyhaul("search", "--aoi", "32TQR", "--json"))
    assert found == {name for name, footprint in everything.items() if footprint.intersects(exact)}


def test_what_was_taken_otherwise_than_written_is_said(skyhaul):
    jumping = "POLYGON((179 10,-179 10,-179 11,179 11,179 10))"
    ran = skyhaul("search", "--aoi", jumping, "--json")
    assert ran.code == 3
    assert "area: the geometry crosses the 180th meridian, where it is 2 degrees wide" in ran.err
