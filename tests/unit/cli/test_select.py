"""``skyhaul select`` on files: what is left goes to stdout, how many were left by which step to stderr."""

from __future__ import annotations

import csv
import io
import json

import pytest

from skyhaul.__main__ import main

DAYS = range(1, 11)


def line(day, baseline="0510", tile="32TQR", **more):
    name = f"S2A_MSIL2A_202407{day:02d}T101031_N{baseline}_R022_T{tile}_20240801T000000.SAFE"
    west = 10 + day / 10
    ring = [[west, 44], [west + 1, 44], [west + 1, 45], [west, 45], [west, 44]]
    return {
        "name": name,
        "id": name,
        "start": f"2024-07-{day:02d}T10:10:31Z",
        "end": f"2024-07-{day:02d}T10:10:31Z",
        "published": "2024-08-01T00:00:00Z",
        "online": day % 2 == 0,
        "footprint": {"type": "Polygon", "coordinates": [ring]},
        "attributes": {"cloudCover": day * 10.0} if day != 5 else {},
    } | more


FOUND = [line(day) for day in DAYS]


@pytest.fixture
def skyhaul(monkeypatch, capfd, tmp_path):
    """Run a command line in a folder that holds ``found.jsonl``; gives exit code, stdout, stderr."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "found.jsonl").write_text("".join(json.dumps(each) + "\n" for each in FOUND))

    def run(*arguments, stdin=None):
        monkeypatch.setattr("sys.argv", ["skyhaul", *map(str, arguments)])
        if stdin is not None:
            monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return ended.value.code, out, err.removesuffix("\n").replace("skyhaul: ", "").split("\n")

    return run


def days(out):
    return [int(each[17:19]) for each in out.split()]


def test_nothing_is_asked_and_all_of_it_comes_back(skyhaul):
    code, out, err = skyhaul("select", "found.jsonl", "--json")
    assert (code, err) == (0, ["10 products in found.jsonl"])
    assert [json.loads(each)["name"] for each in out.splitlines()] == [each["name"] for each in FOUND]


def test_every_step_is_told_in_the_order_in_which_it_is_done(skyhaul):
    pattern = r"S2A_MSIL2A_2024\d\d(?P<tileid>\d\d)T"
    code, out, err = skyhaul(
        "select", "found.jsonl", "--cover", "latest", "--per-tile", "5", "--one-per", "2d", "--latest-version", "--online",
        "--where", "cloudCover<=90", "--where", "name*=_N05", "--bbox", "10.5,44,11.5,45", "--start", "2024-07-02", "--format", "names",
        "--nearest", "2024-07-06", "--keep", "3", "--latest-by-name", pattern,
    )  # fmt: skip
    assert (code, days(out)) == (0, [8, 6, 4])
    assert err == [
        "10 products in found.jsonl",
        "--start 2024-07-02: kept 9 of 10",
        "bbox 10.5,44,11.5,45: kept 9 of 9",
        "--where cloudCover<=90: kept 7 of 9 (1 without it)",
        "--where name*=_N05: kept 7 of 7",
        "--online: kept 4 of 7",
        "--latest-version: kept 4 of 4",
        f"--latest-by-name {pattern}: kept 4 of 4",
        "--one-per 2d: kept 4 of 4",
        "--nearest 2024-07-06: kept 3 of 4",
        "--per-tile 5: kept 3 of 3",
        "--cover latest: kept 3 of 3 (they show 100 % of the area)",
    ]


def test_the_choices_mean_what_the_library_means(skyhaul):
    code, out, err = skyhaul("select", "found.jsonl", "--end", "2024-07-03", "--format", "names")
    assert (code, days(out), err[1:]) == (0, [1, 2, 3], ["--end 2024-07-03: kept 3 of 10"])
    assert days(skyhaul("select", "found.jsonl", "--nearest", "2024-07-04", "--format", "names")[1]) == [4]
    assert days(skyhaul("select", "found.jsonl", "--one-per", "week", "--format", "names")[1]) == [7, 10]
    assert days(
        skyhaul("select", "found.jsonl", "--one-per", "4d", "--start", "2024-07-02", "--format", "names")[1]
    ) == [5, 9, 10]
    assert days(
        skyhaul("select", "found.jsonl", "--per-tile", "2", "--prefer", "cloudCover", "--format", "names")[1]
    ) == [1, 2]
    assert days(skyhaul("select", "found.jsonl", "--where", "cloudCover in 10,30", "--format", "names")[1]) == [1, 3]
    assert days(skyhaul("select", "found.jsonl", "--point", "10.15,44.5", "--format", "names")[1]) == [1]
    assert (
        days(
            skyhaul("select", "found.jsonl", "--circle", "10.15,44.5,5", "--relation", "contains", "--format", "names")[
                1
            ]
        )
        == []
    )


def test_several_files_are_one_and_what_is_in_both_counts_once(skyhaul, tmp_path):
    (tmp_path / "more.jsonl").write_text(json.dumps(line(3)) + "\n" + json.dumps(line(3, "0511")) + "\n")
    code, out, err = skyhaul("select", "found.jsonl", "more.jsonl", "--latest-version", "--format", "names")
    assert code == 0
    assert err == ["11 products in found.jsonl, more.jsonl (1 more than once)", "--latest-version: kept 10 of 11"]
    assert out.split()[2] == line(3, "0511")["name"]


@pytest.mark.parametrize("form", ["jsonl", "geojson", "csv", "stac", "geoparquet"])
def test_what_is_left_can_be_chosen_from_again_in_every_format(skyhaul, form):
    assert skyhaul("select", "found.jsonl", "--end", "2024-07-05", "--format", form, "--output", "left")[:2] == (0, "")
    code, out, err = skyhaul("select", "left", "--online", "--format", "names")
    assert (code, days(out), err) == (0, [2, 4], ["5 products in left", "--online: kept 2 of 5"])


def test_a_pipe_is_a_file(skyhaul):
    text = "".join(json.dumps(each) + "\n" for each in FOUND)
    code, out, err = skyhaul("select", "-", "--online", "--format", "names", stdin=text)
    assert (code, days(out), err) == (0, [2, 4, 6, 8, 10], ["10 products in stdin", "--online: kept 5 of 10"])


def test_coverage_is_of_the_area_that_is_given(skyhaul, tmp_path):
    (tmp_path / "stale.jsonl").write_text(json.dumps(line(1, coverage=3.0)) + "\n")
    code, out, _ = skyhaul("select", "stale.jsonl", "--bbox", "10.1,44,11.1,45", "--overlap", "90", "--format", "csv")
    assert code == 0
    (row,) = csv.DictReader(out.splitlines())
    assert row["coverage"] == "100.0"
    assert json.loads(skyhaul("select", "stale.jsonl", "--json")[1])["coverage"] == 3.0


def test_a_cover_says_what_it_shows_and_whether_fewer_could(skyhaul):
    code, out, err = skyhaul(
        "select", "found.jsonl", "--bbox", "10.1,44,12,45", "--cover", "smallest", "--format", "names"
    )
    assert (code, days(out)) == (0, [10, 1])
    assert err[-1] == "--cover smallest: kept 2 of 10 (they show 100 % of the area, no fewer can)"
    err = skyhaul("select", "found.jsonl", "--bbox", "10.1,44,12,45", "--cover", "latest")[2]
    assert err[-1] == "--cover latest: kept 10 of 10 (they show 100 % of the area)"


def test_nothing_left(skyhaul):
    code, out, err = skyhaul("select", "found.jsonl", "--where", "cloudCover>100", "--json")
    assert (code, out) == (3, "")
    assert err == ["10 products in found.jsonl", "--where cloudCover>100: kept 0 of 10 (1 without it)", "nothing left"]


def test_names_alone_are_enough_for_what_names_tell(skyhaul):
    names = "\n".join(line(day, baseline)["name"] for day in DAYS for baseline in ("0510", "0511", "9999"))
    code, out, err = skyhaul(
        "select", "-", "--latest-version", "--start", "2024-07-03", "--one-per", "4d", "--group-by", "tile", stdin=names
    )
    assert (code, days(out)) == (0, [6, 10])
    assert all("_N0511_" in each for each in out.split())
    assert err[0] == "30 products in stdin"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "stdin holds names alone, and can be printed as names alone, not as jsonl"),
        (["--format", "names", "--online"], "--online: stdin holds names alone, which do not say 'online'"),
        (
            ["--format", "names", "--bbox", "1,2,3,4"],
            "bbox 1,2,3,4: stdin holds names alone, which do not say 'footprint'",
        ),
        (
            ["--format", "names", "--where", "size>5"],
            "--where size>5: stdin holds names alone, which do not say 'size'",
        ),
    ],
)
def test_names_alone_are_not_enough_for_the_rest(skyhaul, arguments, said):
    options = arguments or ["--json"]
    assert skyhaul("select", "-", *options, stdin=line(1)["name"]) == (2, "", [said])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.jsonl"], "there is no file gone.jsonl"),
        (
            ["found.jsonl", "--start", "01/07/2024"],
            "--start 01/07/2024: '01/07/2024' is not a date written year-month-day",
        ),
        (
            ["found.jsonl", "--start", "2024-07-05", "--end", "2024-07-04"],
            "--start 2024-07-05, --end 2024-07-04: the end, 2024-07-04, is before",
        ),
        (["found.jsonl", "--where", "cloudy"], "--where: 'cloudy' is not a condition: write property"),
        (
            ["found.jsonl", "--where", "cloudcover<5"],
            "--where cloudcover<5: none of the products has a property 'cloudcover'; did you mean cloudCover?",
        ),
        (
            ["found.jsonl", "--prefer", "-cloud", "--per-tile", "1"],
            "--per-tile 1: none of the products has a property 'cloud'",
        ),
        (
            ["found.jsonl", "--group-by", "orbit", "--one-per", "day"],
            "--one-per day for each orbit: none of the products has a property 'orbit'",
        ),
        (["found.jsonl", "--bbox", "1,2,3"], "--bbox: '1,2,3' is not written W,S,E,N"),
        (["found.jsonl", "--bbox", "1,2,3,4", "--point", "1,2"], "--bbox and --point exclude each other"),
        (["found.jsonl", "--overlap", "50"], "--overlap needs an area"),
        (["found.jsonl", "--relation", "within"], "--relation needs an area"),
        (
            ["found.jsonl", "--point", "1,2", "--relation", "within", "--overlap", "5"],
            "point 1,2, --relation within: minimum and relation exclude each other",
        ),
        (["found.jsonl", "--point", "1,2", "--overlap", "101"], "point 1,2, --overlap 101: 101.0 is not a percentage"),
        (["found.jsonl", "--cover", "latest"], "--cover needs an area"),
        (["found.jsonl", "--min-gain", "1"], "--min-gain needs --cover"),
        (["found.jsonl", "--dates", "overlap"], "--dates overlap needs --start or --end"),
        (["found.jsonl", "--keep", "2"], "--keep needs --nearest"),
        (["found.jsonl", "--prefer", "cloudCover"], "--prefer needs --one-per, --nearest, --per-tile or --cover"),
        (["found.jsonl", "--group-by", "tile"], "--group-by needs --one-per or --nearest"),
        (["found.jsonl", "--latest-by-name", "S2A"], "--latest-by-name: 'S2A' has no group for the tile"),
        (["found.jsonl", "--one-per", "decade"], "--one-per decade: 'decade' is not a period"),
        (["found.jsonl", "--per-tile", "0"], "--per-tile 0: 0 is not a number of products"),
        (["found.jsonl", "--cover", "some"], "Invalid value for '--cover'"),
        ([], "Missing argument 'FILE…'"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(skyhaul, arguments, said):
    code, out, err = skyhaul("select", *arguments)
    assert (code, out, len(err)) == (2, "", 1)
    assert err[0].startswith(said)


def test_ids_alone_say_nothing_to_choose_by(skyhaul):
    code, out, err = skyhaul("select", "-", "--online", stdin="a5b6cf23-37d4-4caa-b41c-0ebb7b786d4f")
    assert (code, out) == (2, "")
    assert err == ["stdin holds ids alone, which say nothing to choose by: save the search as jsonl, geojson or csv"]


def test_options_come_from_the_environment_under_a_name_that_searches_do_not_know(skyhaul, monkeypatch):
    monkeypatch.setenv("SKYHAUL_START", "2024-07-09")
    monkeypatch.setenv("SKYHAUL_SELECT_END", "2024-07-02")
    monkeypatch.setenv("SKYHAUL_FORMAT", "names")
    code, out, _ = skyhaul("select", "found.jsonl")
    assert (code, days(out)) == (0, [1, 2])


# revisit


def test_revisit_counts_passes_first(skyhaul, tmp_path):
    tiles = [line(day, tile=tile) for day in (1, 6, 11) for tile in ("32TQR", "32TPR")]
    (tmp_path / "tiles.jsonl").write_text("".join(json.dumps(each) + "\n" for each in tiles))
    code, out, err = skyhaul("revisit", "tiles.jsonl")
    assert (code, err) == (0, [""])
    rows = [" ".join(row.split()) for row in out.splitlines()]
    assert rows == [
        "passes 3 from 2024-07-01 to 2024-07-11 (10 days)",
        "days between mean 5.00 median 5.00 min 5.00 max 5.00 std 0.00",
        "a month 2024-07 3",
        "a year 2024 3",
        "products 6 from 2024-07-01 to 2024-07-11 (10 days)",
        "days between mean 2.00 median 0.00 min 0.00 max 5.00 std 2.74",
    ]
    code, out, _ = skyhaul("revisit", "tiles.jsonl", "--group-by", "tile", "--json")
    figures = [json.loads(each) for each in out.splitlines()]
    assert [(each["tile"], each["per_product"]["total_acquisitions"]) for each in figures] == [
        ("32TPR", 3),
        ("32TQR", 3),
    ]


def test_revisit_draws_and_says_what_it_cannot_use(skyhaul, tmp_path):
    pytest.importorskip("matplotlib")
    code, _, err = skyhaul("revisit", "found.jsonl", "--plot", "passes.png")
    assert (code, err) == (0, [""])
    assert (tmp_path / "passes.png").stat().st_size > 1000
    assert skyhaul("revisit", "found.jsonl", "--plot", "gone/passes.png")[0] == 6
    code, out, err = skyhaul("revisit", "found.jsonl", "--group-by", "orbit")
    assert (code, out, err) == (2, "", ["--group-by: none of the products has a property 'orbit'"])
    code, _, err = skyhaul("revisit", "-", stdin=line(1)["name"] + "\nunheard-of.SAFE\n")
    assert (code, err) == (0, ["1 products without a date are left out"])
