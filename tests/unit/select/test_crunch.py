"""What each choice means, and what is mended of the choices that people know from elsewhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from skyhaul.model import Product
from skyhaul.select import by_date, latest_by_name, latest_versions, limit, nearest, one_per_period, online, unique
from skyhaul.select.facts import from_name, tile, value


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def product(key, start=None, end=None, **more):
    begun = at(start) if start else None
    return Product(
        **{"id": key, "name": key, "provider": "cdse", "start": begun, "end": at(end) if end else begun} | more
    )


def ids(products):
    return [each.id for each in products]


MONTH = [product(f"{day:02d}", f"2024-07-{day:02d}T10:00") for day in range(1, 32)]


# dates


def test_no_limits_keep_everything():
    assert by_date(MONTH) == MONTH


def test_a_day_as_an_end_is_included_to_its_last_moment():
    late = product("late", "2024-07-05T23:59:59.999999")
    next_day = product("next", "2024-07-06T00:00")
    assert ids(by_date([*MONTH, late, next_day], start="2024-07-04", end="2024-07-05")) == ["04", "05", "late"]
    assert ids(by_date(MONTH, end=date(2024, 7, 2))) == ["01", "02"]


def test_bounds_are_included():
    one = product("x", "2024-07-01T10:00", "2024-07-01T11:00")
    assert by_date([one], start="2024-07-01T10:00", end="2024-07-01T11:00") == [one]
    assert by_date([one], start="2024-07-01T10:00:01", end="2024-07-01T11:00") == []
    assert by_date([one], start="2024-07-01T10:00", end="2024-07-01T10:59:59") == []


@pytest.mark.parametrize(
    ("start", "end", "inside", "overlap"),
    [
        ("2024-07-01T10:30", None, False, True),
        (None, "2024-07-01T10:30", False, True),
        ("2024-07-01T10:20", "2024-07-01T10:30", False, True),
        ("2024-07-01T11:00", None, False, True),
        ("2024-07-01T11:00:01", None, False, False),
        (None, "2024-07-01T09:59", False, False),
        (None, "2024-07-01T10:00", False, True),
        ("2024-07-01T09:00", "2024-07-01T12:00", True, True),
    ],
)
def test_inside_and_overlap(start, end, inside, overlap):
    one = product("x", "2024-07-01T10:00", "2024-07-01T11:00")
    assert bool(by_date([one], start=start, end=end)) is inside
    assert bool(by_date([one], start=start, end=end, mode="overlap")) is overlap


def test_products_without_dates_are_kept():
    undated = product("aux")
    assert by_date([undated], start="2024-07-01", end="2024-07-02") == [undated]
    assert by_date([undated], end="2024-07-02", mode="overlap") == [undated]


def test_one_known_date_stands_for_both():
    begun = product("begun", "2024-07-05T10:00", None)
    ended = Product(id="ended", name="ended", provider="cdse", end=at("2024-07-05T10:00"))
    for one in (begun, ended):
        assert by_date([one], start="2024-07-05", end="2024-07-05") == [one]
        assert by_date([one], start="2024-07-06") == by_date([one], end="2024-07-04") == []


def test_naive_moments_are_utc_and_zones_are_heeded():
    one = product("x", "2024-07-01T10:00")
    assert by_date([one], start=datetime(2024, 7, 1, 10)) == [one]  # noqa: DTZ001 that is what it is about
    assert by_date([one], start="2024-07-01T12:00:01+02:00") == []


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ({"start": "2024-07-02", "end": "2024-07-01"}, "the end, 2024-07-01, is before the start, 2024-07-02"),
        ({"start": "yesterday"}, "'yesterday' is not a date"),
        ({"start": "2024-07-02", "mode": "within"}, "there is no mode 'within'; known are inside, overlap"),
    ],
)
def test_a_window_that_is_none(window, said):
    with pytest.raises(ValueError, match=said):
        by_date([], **window)


# availability


def test_only_what_can_be_downloaded_at_once():
    offline = product("x", online=False)
    assert online([offline, *MONTH]) == MONTH


# names


S2 = r"S2[AB]_MSIL.._\d{8}T\d{6}_N\d{4}_R\d{3}_T(?P<tileid>\d{2}[A-Z]{3})_"


def s2(day, tile_, baseline="0510", made="20240801T000000", unit="A", **more):
    name = f"S2{unit}_MSIL2A_202407{day:02d}T100000_N{baseline}_R022_T{tile_}_{made}.SAFE"
    return product(name, f"2024-07-{day:02d}T10:00", **more)


def test_the_latest_is_the_latest_and_not_the_first():
    old, new = s2(1, "31TCL"), s2(9, "31TCL")
    other = s2(3, "31TDL")
    assert latest_by_name([old, new, other], S2) == [new, other]
    assert latest_by_name([other, new, old], S2) == [other, new]


def test_a_tile_may_be_written_as_missions_write_theirs():
    path_row = r"LC08_L1TP_(?P<tileid>\d{6})_"
    scenes = [product(f"LC08_L1TP_198030_2024070{day}_20240801_02_T1", f"2024-07-0{day}") for day in (1, 2)]
    assert latest_by_name(scenes, path_row) == scenes[1:]
    assert len(latest_by_name([s2(1, "31TCL"), s2(1, "31TDL")], S2)) == 2


def test_names_that_do_not_fit_are_dropped_and_the_pattern_is_from_the_beginning():
    assert latest_by_name([product("unheard-of", "2024-07-01"), product(f"x{s2(1, '31TCL').name}")], S2) == []
    assert latest_by_name([s2(1, "31TCL")], r"S2A(_31(?P<tileid>T))?") == []


def test_of_equal_times_the_latest_version_wins():
    versions = [s2(1, "31TCL", "0510"), s2(1, "31TCL", "0511"), s2(1, "31TCL", "9999")]
    for order in (versions, versions[::-1]):
        assert latest_by_name(order, S2) == [versions[1]]


def test_a_product_without_times_is_the_oldest():
    timeless = product(s2(9, "31TCL").name)
    assert latest_by_name([timeless, s2(1, "31TCL")], S2) == [s2(1, "31TCL")]
    assert latest_by_name([timeless], S2) == [timeless]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"S2A_(\d{2})", "has no group for the tile: write"),
        (r"S2A_(?P<tile>\d{2})", "has no group for the tile"),
        (r"S2A_(?P<tileid>", "is not a regular expression"),
    ],
)
def test_a_pattern_that_is_none(pattern, said):
    with pytest.raises(ValueError, match=said):
        latest_by_name([], pattern)


def test_the_same_baseline_twice_is_told_apart_by_when_it_was_made():
    twice = [s2(1, "31TCL", made="20230911T110759"), s2(1, "31TCL", made="20231006T104613")]
    for order in (twice, twice[::-1]):
        assert latest_versions(order) == [twice[1]]


def test_one_name_under_two_ids_leaves_one_whatever_the_order():
    one, other = (s2(1, "31TCL", id=key) for key in ("a", "b"))
    assert latest_versions([one, other]) == latest_versions([other, one]) == [other]


# nearest


def test_nearest_to_a_moment_and_to_a_day():
    assert ids(nearest(MONTH, "2024-07-09T21:00")) == ["09"]
    assert ids(nearest(MONTH, "2024-07-09T22:30")) == ["10"]
    assert ids(nearest(MONTH, "2024-07-09", count=3)) == ["08", "09", "10"]
    assert ids(nearest(MONTH, date(2023, 1, 1))) == ["01"]
    assert ids(nearest(MONTH, "2024-12-24", count=100)) == ids(MONTH)


def test_a_sensing_that_holds_the_moment_is_nearest_of_all():
    long = product("long", "2024-07-01", "2024-07-20")
    assert ids(nearest([product("near", "2024-07-10T00:01"), long], "2024-07-10T00:00")) == ["long"]


def test_equally_near_ones_are_told_apart_by_preference_then_the_later_one():
    before = product("before", "2024-07-01T10:00", attributes={"cloudCover": 1})
    after = product("after", "2024-07-03T10:00", attributes={"cloudCover": 90})
    assert nearest([before, after], "2024-07-02T10:00") == [after]
    assert nearest([before, after], "2024-07-02T10:00", prefer="cloudCover") == [before]


def test_nearest_of_each_tile():
    tiles = [s2(1, "31TCL"), s2(9, "31TCL"), s2(20, "31TDL"), product("undated")]
    assert nearest(tiles, "2024-07-08", group_by="tile") == [tiles[1], tiles[2]]


# periods


@pytest.mark.parametrize(
    ("period", "kept"),
    [
        ("day", [f"{day:02d}" for day in range(1, 32)]),
        ("week", ["07", "14", "21", "28", "31"]),  # 1 July 2024 is a Monday
        ("month", ["31"]),
        ("year", ["31"]),
        ("40d", ["15", "31"]),
        (1, [f"{day:02d}" for day in range(1, 32)]),
    ],
)
def test_the_latest_of_each_period(period, kept):
    assert ids(one_per_period(MONTH, period)) == kept


def test_periods_of_days_may_begin_where_one_wants():
    assert ids(one_per_period(MONTH, "10 days", origin="2024-07-01")) == ["10", "20", "30", "31"]
    assert ids(one_per_period(MONTH, 10, origin="2024-07-06")) == ["05", "15", "25", "31"]


def test_a_day_is_one_of_utc_and_a_week_may_span_two_years():
    edge = [product("a", "2024-07-01T23:59:59"), product("b", "2024-07-02T00:00")]
    assert one_per_period(edge, "day") == edge
    new_year = [product("old", "2024-12-30"), product("new", "2025-01-05"), product("next", "2025-01-06")]
    assert ids(one_per_period(new_year, "week")) == ["new", "next"]


def test_the_clearest_of_each_month():
    clouds = [30, 5, 5, None, "1e9"]
    month = [
        product(f"{day}", f"2024-07-0{day}", attributes={} if cloud is None else {"cloudCover": cloud})
        for day, cloud in enumerate(clouds, start=1)
    ]
    assert ids(one_per_period(month, "month", prefer="cloudCover")) == ["3"]
    assert ids(one_per_period(month, "month", prefer="-cloudCover")) == ["5"]
    assert ids(limit(month, 4, prefer="cloudCover")) == ["1", "2", "3", "5"]


@pytest.mark.parametrize("period", ["decade", "0d", 0, -3, "", "1.5d"])
def test_a_period_that_is_none(period):
    with pytest.raises(ValueError, match="is not a period: write day, week, month, year"):
        one_per_period([], period)


# limits


def test_so_many_of_each_tile():
    scenes = [s2(day, tile_) for day in range(1, 6) for tile_ in ("31TCL", "31TDL")]
    assert limit(scenes, 2) == scenes[-4:]
    assert limit(scenes, 3, group_by=None) == scenes[-3:]
    strangers = [product(f"{day}", f"2024-07-0{day}") for day in range(1, 4)]
    assert limit([*strangers, *scenes], 1) == [strangers[-1], *scenes[-2:]]


def test_so_many_of_each_orbit():
    scenes = [
        product(f"{orbit}{day}", f"2024-07-0{day}", attributes={"relativeOrbitNumber": orbit})
        for day in (1, 2)
        for orbit in (7, 8)
    ]
    assert ids(limit(scenes, 1, group_by="relativeOrbitNumber")) == ["72", "82"]


@pytest.mark.parametrize("count", [0, -1])
def test_a_number_that_is_none(count):
    with pytest.raises(ValueError, match="is not a number of products"):
        limit([], count)
    with pytest.raises(ValueError, match="is not a number of products"):
        nearest([], "2024-07-01", count=count)


# what is known


@pytest.mark.parametrize(
    ("name", "attributes", "expected"),
    [
        ("S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR_20240713T164852.SAFE", {}, "32TQR"),
        ("S2A_T01ABC_x", {"tileId": "31TCL"}, "31TCL"),
        ("x", {"grid:code": "MGRS-31TCL"}, "31TCL"),
        ("x", {"s2:mgrs_tile": "T31TCL"}, "31TCL"),
        ("x", {"grid:code": "MGRS-1CCV"}, "01CCV"),
        ("LC09_L2SP_198030_20240713_20240714_02_T1", {}, "198030"),
        ("S1A_IW_GRDH_1SDV_20241217T061735_20241217T061800_057028_07020F_53C5.SAFE", {}, None),
    ],
)
def test_the_tile_of_a_product(name, attributes, expected):
    one = product(name, attributes=attributes)
    assert tile(one) == value(one, "tile") == expected


@pytest.mark.parametrize(
    ("name", "start", "length_s"),
    [
        ("S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR_20240713T164852.SAFE", "2024-07-13T10:10:31", 0),
        ("S1A_IW_GRDH_1SDV_20241217T061735_20241217T061800_057028_07020F_53C5.SAFE", "2024-12-17T06:17:35", 25),
        (
            "S3A_OL_1_EFR____20211021T073827_20211021T074112_20211021T091357_0164_077_334_4320_LN1_O_NR_002.SEN3",
            "2021-10-21T07:38:27",
            165,
        ),
        (
            "S5P_OFFL_L2__NO2____20241203T104901_20241203T123031_37002_03_020800_20241205T011158.nc",
            "2024-12-03T10:49:01",
            6090,
        ),
        ("S1A_OPER_AUX_POEORB_OPOD_20140823T122348_V20140801T225944_20140803T005944.EOF", None, 0),
        ("S2A_MSIL2A_20249913T101031_N0510_R022_T32TQR_20240713T164852.SAFE", None, 0),
    ],
)
def test_a_name_tells_when_it_was_sensed(name, start, length_s):
    found = from_name(name)
    assert found.start == (at(start) if start else None)
    assert found.end == (at(start) + timedelta(seconds=length_s) if start else None)


def test_a_product_that_comes_twice_is_one_and_the_later_state_of_it_counts():
    old = product("x", "2024-07-01", online=False, modified=at("2024-07-02"))
    new = product("x", "2024-07-01", modified=at("2024-08-02"))
    elsewhere = product("x", "2024-07-01", provider="noa")
    assert unique([old, elsewhere, new]) == [new, elsewhere]
    assert unique([new, elsewhere, old]) == [new, elsewhere]
    assert online([old, new]) == [new]
