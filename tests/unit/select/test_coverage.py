"""What lies in an area, and what shows it: shapes that are written by hand, and what others get wrong about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from skyhaul.model import Product
from skyhaul.select import covered, latest_cover, overlapping, smallest_cover, with_coverage

START = datetime(2024, 7, 1, tzinfo=UTC)
SQUARE = "POLYGON ((10 44, 12 44, 12 46, 10 46, 10 44))"
POINT = "POINT (11 45)"
LINE = "LINESTRING (10 45, 12 45)"
PACIFIC = "MULTIPOLYGON (((178 -2, 180 -2, 180 2, 178 2, 178 -2)), ((-180 -2, -178 -2, -178 2, -180 2, -180 -2)))"


def box(west, south, east, north):
    return {
        "type": "Polygon",
        "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
    }


def product(key, footprint=None, day=0, **more):
    return Product(
        **{"id": key, "name": key, "provider": "cdse", "footprint": footprint, "start": START + timedelta(days=day)}
        | more
    )


def ids(products):
    return [each.id for each in products]


SCENES = [
    product("all", box(9, 43, 13, 47)),
    product("equal", box(10, 44, 12, 46)),
    product("inside", box(10.5, 44.5, 11, 45)),
    product("half", box(8, 44, 11, 46)),
    product("sliver", box(8, 44, 10.01, 46)),
    product("edge", box(8, 44, 10, 46)),
    product("corner", box(8, 42, 10, 44)),
    product("apart", box(20, 44, 22, 46)),
    product("nowhere"),
]


@pytest.mark.parametrize(
    ("minimum", "kept"),
    [
        # Nothing in common is nothing, even where nothing is asked for; nor is an edge.
        (0, ["all", "equal", "inside", "half", "sliver"]),
        # The sliver is 0.5 % of the area and of itself.
        (1, ["all", "equal", "inside", "half"]),
        (30, ["all", "equal", "inside", "half"]),
        (50, ["all", "equal", "inside", "half"]),
        (51, ["all", "equal", "inside"]),
        (100, ["all", "equal", "inside"]),
    ],
)
def test_either_share_is_enough(minimum, kept):
    assert ids(overlapping(SCENES, SQUARE, minimum=minimum)) == kept


@pytest.mark.parametrize(
    ("relation", "kept"),
    [
        ("intersects", ["all", "equal", "inside", "half", "sliver", "edge", "corner"]),
        ("contains", ["all", "equal"]),
        ("within", ["equal", "inside"]),
    ],
)
def test_relations(relation, kept):
    assert ids(overlapping(SCENES, SQUARE, relation=relation)) == kept


@pytest.mark.parametrize(
    ("where", "shows_some", "shows_all"),
    [
        # At a corner, in the middle, along an edge.
        (POINT, ["all", "equal", "inside", "half"], ["all", "equal", "inside", "half"]),
        ("POINT (11 45.2)", ["all", "equal", "half"], ["all", "equal", "half"]),
        (LINE, ["all", "equal", "inside", "half", "sliver"], ["all", "equal"]),
    ],
)
def test_a_point_and_a_line_are_areas_too(where, shows_some, shows_all):
    assert ids(overlapping(SCENES, where)) == shows_some
    assert ids(overlapping(SCENES, where, relation="contains")) == shows_all
    assert ids(overlapping(SCENES, where, minimum=100)) == shows_all
    assert overlapping(SCENES, where, relation="within") == []


def test_the_area_that_is_given_counts_not_the_one_of_the_search():
    stale = product("x", box(10, 44, 12, 46), coverage=0.0)
    assert overlapping([stale], SQUARE, minimum=100) == [stale]
    assert overlapping([product("y", box(20, 44, 22, 46), coverage=100.0)], SQUARE) == []


def test_shares_are_of_square_metres():
    # Half of the degrees from the equator to 80° north are more than half of the ground.
    south = product("south", box(0, 0, 10, 40))
    tall = "POLYGON ((0 0, 10 0, 10 80, 0 80, 0 0))"
    assert covered([south], tall) == pytest.approx(65.11, abs=0.01)
    assert with_coverage([south], tall)[0].coverage == covered([south], tall)


def test_all_of_it_is_all_of_it_whatever_the_rounding():
    # Thirds of degrees have no exact number; the product is the union of what the archive split.
    third = 1 / 3
    left, right = box(10, 44, 10 + third, 45)["coordinates"], box(10 + third, 44, 11, 45)["coordinates"]
    split = product("split", {"type": "MultiPolygon", "coordinates": [left, right]})
    assert overlapping([split], "POLYGON ((10 44, 11 44, 11 45, 10 45, 10 44))", minimum=100) == [split]


@pytest.mark.parametrize(
    "coordinates",
    [
        [[[176, -3], [-176, -3], [-176, 3], [176, 3], [176, -3]]],
        [[[176, -3], [184, -3], [184, 3], [176, 3], [176, -3]]],
        [[[-184, -3], [-176, -3], [-176, 3], [-184, 3], [-184, -3]]],
    ],
)
def test_footprints_across_the_180th_meridian(coordinates):
    across = product("across", {"type": "Polygon", "coordinates": coordinates})
    assert overlapping([across], PACIFIC, relation="contains") == [across]
    assert covered([across], PACIFIC) == 100
    assert overlapping([across], SQUARE, relation="intersects") == []


def test_tracks_count_by_their_length():
    inside = product("inside", {"type": "LineString", "coordinates": [[10.5, 45], [11.5, 45]]})
    through = product("through", {"type": "LineString", "coordinates": [[7, 45], [12, 45]]})
    along = product("along", {"type": "LineString", "coordinates": [[10, 43], [10, 47]]})
    tracks = [inside, through, along, product("apart", {"type": "LineString", "coordinates": [[20, 45], [21, 45]]})]
    assert ids(overlapping(tracks, SQUARE)) == ["inside", "through", "along"]
    assert ids(overlapping(tracks, SQUARE, minimum=45)) == ["inside", "along"]
    assert ids(overlapping(tracks, SQUARE, relation="within")) == ["inside"]
    assert overlapping(tracks, SQUARE, relation="contains") == []
    assert with_coverage(tracks, SQUARE)[0].coverage is None
    assert latest_cover(tracks, SQUARE).products == smallest_cover(tracks, SQUARE).products == ()


@pytest.mark.parametrize(
    "footprint",
    [
        None,
        {},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[]]},
        {"type": "Polygon", "coordinates": [[[10, 44], [12, 46]]]},
        {"type": "Polygon", "coordinates": [[[10, "x"], [12, 46], [10, 46], [10, 44]]]},
        {"type": "Point", "coordinates": []},
        {"type": "GeometryCollection", "geometries": []},
    ],
)
def test_a_footprint_that_says_nothing_shows_nothing(footprint):
    blind = product("blind", footprint)
    assert overlapping([blind], SQUARE) == overlapping([blind], SQUARE, relation="intersects") == []
    assert latest_cover([blind], SQUARE).products == smallest_cover([blind], SQUARE).products == ()
    assert with_coverage([blind], SQUARE)[0].coverage is None


def test_footprints_that_cross_themselves_or_have_spikes_are_mended():
    crossed = product(
        "crossed", {"type": "Polygon", "coordinates": [[[10, 44], [12, 44], [10, 46], [12, 46], [10, 44]]]}
    )
    spiked = product(
        "spiked",
        {"type": "Polygon", "coordinates": [[[10, 44], [12, 44], [12, 46], [14, 46], [12, 46], [10, 46], [10, 44]]]},
    )
    flat = product("flat", {"type": "Polygon", "coordinates": [[[10.5, 45], [11, 45], [10.5, 45], [10.5, 45]]]})
    assert covered([crossed], SQUARE) == pytest.approx(50, abs=1)
    assert covered([spiked], SQUARE) == 100
    assert ids(overlapping([crossed, spiked, flat], SQUARE, minimum=40)) == ["crossed", "spiked", "flat"]


@pytest.mark.parametrize(
    ("area", "options", "said"),
    [
        ("nonsense", {}, "is not WKT"),
        ("POLYGON EMPTY", {}, "the area is empty"),
        (None, {}, "the area is empty"),
        ("POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))", {}, "the area is not valid: Self-intersection"),
        (SQUARE, {"minimum": 101}, "101 is not a percentage"),
        (SQUARE, {"minimum": float("nan")}, "nan is not a percentage"),
        (SQUARE, {"relation": "touches"}, "there is no relation 'touches'; known are intersects, contains, within"),
        (SQUARE, {"minimum": 5, "relation": "within"}, "minimum and relation exclude each other"),
    ],
)
def test_what_cannot_be_asked(area, options, said):
    with pytest.raises(ValueError, match=said):
        overlapping([], area, **options)


# covers


def test_the_latest_cover_goes_back_in_time_until_nothing_is_left():
    scenes = [
        product("old", box(9, 43, 13, 47), day=1),
        product("older", box(9, 43, 13, 47), day=0),
        product("new", box(9, 43, 11, 47), day=9),
        product("hidden", box(9, 43, 10.5, 47), day=5),
        product("apart", box(20, 43, 21, 47), day=20),
    ]
    cover = latest_cover(scenes, SQUARE)
    assert ids(cover.products) == ["new", "old"]
    assert cover.percent == 100


def test_what_only_touches_what_is_left_is_not_kept():
    scenes = [product("west", box(9, 43, 11, 47), day=2), product("also west", box(8, 43, 11, 47), day=1)]
    assert ids(latest_cover(scenes, SQUARE).products) == ["west"]
    edge = product("edge", box(8, 44, 10, 46), day=5)
    assert ids(latest_cover([edge, *scenes], SQUARE).products) == ["west"]


def test_a_sliver_of_gain_is_not_enough_and_is_left_to_the_next():
    scenes = [
        product("first", box(10, 44, 11, 46), day=3),
        product("hardly more", box(10, 44, 11.0005, 46), day=2),
        product("rest", box(11, 44, 12, 46), day=1),
    ]
    assert ids(latest_cover(scenes, SQUARE).products) == ["first", "rest"]
    assert latest_cover(scenes, SQUARE).percent == 100
    assert ids(latest_cover(scenes, SQUARE, minimum_gain=0).products) == ["first", "hardly more", "rest"]
    assert ids(latest_cover(scenes, SQUARE, minimum_gain=60).products) == ["first", "rest"]


def test_the_clearest_may_come_before_the_latest():
    scenes = [
        product("cloudy", box(9, 43, 13, 47), day=9, attributes={"cloudCover": 90}),
        product("clear", box(9, 43, 11, 47), day=1, attributes={"cloudCover": 3}),
        product("unknown", box(9, 43, 13, 47), day=20),
    ]
    assert ids(latest_cover(scenes, SQUARE).products) == ["unknown"]
    assert ids(latest_cover(scenes, SQUARE, prefer="cloudCover").products) == ["clear", "cloudy"]


def test_without_dates_a_product_is_the_oldest():
    scenes = [product("dated", box(9, 43, 13, 47)), product("undated", box(9, 43, 13, 47), start=None)]
    assert ids(latest_cover(scenes, SQUARE).products) == ["dated"]


@pytest.mark.parametrize("cover", [latest_cover, smallest_cover])
def test_a_point_is_covered_by_one(cover):
    assert ids(cover([*SCENES, product("new", box(10, 44, 13, 46), day=3)], POINT).products) == ["new"]
    assert cover(SCENES, POINT).percent == 100
    assert cover(SCENES[5:], POINT).percent == 0


@pytest.mark.parametrize("cover", [latest_cover, smallest_cover])
def test_a_line_is_covered_along_its_length(cover):
    parts = [product("west", box(9, 44, 11, 46)), product("east", box(11, 44, 12, 46), day=1)]
    assert ids(cover(parts, LINE).products) == ["east", "west"]
    assert cover(parts[:1], LINE).percent == pytest.approx(50, abs=0.01)


def test_the_smallest_cover_beats_the_greedy_one():
    # By size a greedy choice begins with the middle, which two halves make needless.
    scenes = [
        product("west", box(10, 44, 11, 46)),
        product("east", box(11, 44, 12, 46)),
        product("middle", box(10.2, 44, 11.8, 46), day=5),
    ]
    cover = smallest_cover(scenes, SQUARE)
    assert sorted(ids(cover.products)) == ["east", "west"]
    assert (cover.percent, cover.at_least) == (100, 2)
    assert len(latest_cover(scenes, SQUARE).products) == 3


def test_of_smallest_covers_the_latest():
    scenes = [
        product(f"{half}{day}", box(*edges, 46), day=day)
        for day in range(4)
        for half, edges in (("w", (10, 44, 11)), ("e", (11, 44, 12)))
    ]
    assert sorted(ids(smallest_cover(scenes, SQUARE).products)) == ["e3", "w3"]


def test_a_sliver_does_not_cost_a_product():
    scenes = [
        product("west", box(10, 44, 11, 46)),
        product("east", box(11.0001, 44, 12, 46)),
        product("gap", box(10.9, 44, 11.1, 46)),
    ]
    assert sorted(ids(smallest_cover(scenes, SQUARE).products)) == ["east", "west"]
    assert len(smallest_cover(scenes, SQUARE, minimum_gain=0).products) == 3


def test_a_tile_of_a_continent_is_no_sliver():
    europe = "POLYGON ((-10 36, 40 36, 40 70, -10 70, -10 36))"
    tiles = [product(f"{lon}", box(lon, 45, lon + 0.2, 45.2)) for lon in range(10)]
    assert len(latest_cover(tiles, europe).products) == len(smallest_cover(tiles, europe).products) == 10


def test_neighbours_whose_borders_differ_by_rounding():
    # 0.1 + 0.2 is not 0.3: the border of the two is none.
    scenes = [
        product("west", box(10, 44, 10 + 0.1 + 0.2, 45), day=1),
        product("east", box(10.3, 44, 11, 45), day=1),
        product("both", box(10.2, 44, 10.4, 45)),
    ]
    area = "POLYGON ((10 44, 11 44, 11 45, 10 45, 10 44))"
    for cover in (latest_cover, smallest_cover):
        assert sorted(ids(cover(scenes, area, minimum_gain=0).products)) == ["east", "west"]


@pytest.mark.parametrize("gain", [-1, 100, float("nan")])
@pytest.mark.parametrize("cover", [latest_cover, smallest_cover])
def test_a_gain_that_is_none(cover, gain):
    with pytest.raises(ValueError, match="is not a gain"):
        cover([], SQUARE, minimum_gain=gain)


def test_what_takes_too_long_is_covered_nevertheless():
    scenes = [
        product(f"{number}", box(10 + number * 0.1, 44, 10.35 + number * 0.1, 46), day=number % 3)
        for number in range(18)
    ]
    exact, quick = smallest_cover(scenes, SQUARE), smallest_cover(scenes, SQUARE, steps_max=0)
    assert quick.percent == exact.percent
    assert exact.at_least == len(exact.products)
    assert quick.at_least <= len(exact.products) <= len(quick.products)
