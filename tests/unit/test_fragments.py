"""Rules, lists and typed restrictions, from where they are written to the query."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from functools import partial

import pytest

from skyhaul import settings
from skyhaul.errors import SettingsError
from skyhaul.model import Condition, Query, Season, TimeInterval

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.fixture
def load(tmp_path):
    return partial(settings.load, environ={}, folder=tmp_path, user_file=tmp_path / "absent.toml", now=NOW)


@pytest.fixture
def query(load):
    return lambda *args, **options: load(options, *args).query


def day(text):
    return datetime.fromisoformat(text + "T00Z")


def among(attribute, *values):
    return Condition(attribute=attribute, operator="in", value=values)


def equal(attribute, value):
    return Condition(attribute=attribute, operator="eq", value=value)


def test_several_missions_in_one_query(query):
    found = query(
        start="2024-01-01",
        rule=[
            "platform=SENTINEL-2,product_type=S2MSI2A,cloud_max=20",
            "platform=SENTINEL-1,op_mode=IW,polarisation=VV,VH,pub_start=2024-02-01",
        ],
    )
    assert found == Query(
        sensing=TimeInterval(start=day("2024-01-01")),
        rules=(
            Query(platform="SENTINEL-2", product_types=("S2MSI2A",), cloud_max=20.0),
            Query(
                platform="SENTINEL-1",
                mode="IW",
                polarisation="VV&VH",
                published=TimeInterval(start=day("2024-02-01")),
            ),
        ),
    )


def test_every_key_of_the_mirror_in_a_job_file(load, tmp_path):
    job = tmp_path / "job.toml"
    job.write_text("""
        [query]
        end = 2024-12-31
        [[query.rule]]
        platform = "SENTINEL-1"
        serial = ["A", "C"]
        product_type = ["IW_GRDH_1S", "IW_SLC__1S"]
        polarisation = ["VV", "VV,VH"]
        orbit = "descending"
        timeliness = ["NRT-3h", "Fast-24h"]
        op_mode = "IW"
        content_start = "2024-01-01"
        [[query.rule]]
        platform = ["SENTINEL-3", "S5P"]
        instrument = "OLCI"
        level = ["1", "L2"]
        proc_mode = ["NRTI", "OFFL"]
        cloud_min = 1
        cloud_max = 30
        pub_end = 2024-06-30
    """)
    radar, ocean, air = load(job=job).query.rules
    assert radar == Query(
        platform="SENTINEL-1",
        product_types=("IW_GRDH_1S", "IW_SLC__1S"),
        orbit_direction="DESCENDING",
        mode="IW",
        sensing=TimeInterval(start=day("2024-01-01")),
        where=(
            among("platformSerialIdentifier", "A", "C"),
            among("timeliness", "NRT-3h", "Fast-24h"),
            among("polarisationChannels", "VV", "VV&VH", "VH&VV"),
        ),
    )
    assert (ocean.platform, air.platform) == ("SENTINEL-3", "S5P")
    assert ocean == Query(
        platform="SENTINEL-3",
        cloud_min=1.0,
        cloud_max=30.0,
        published=TimeInterval(end=day("2024-07-01")),
        where=(
            equal("instrumentShortName", "OLCI"),
            among("processingLevel", "1", "L2"),
            among("processingMode", "NRTI", "OFFL"),
        ),
    )


def test_rules_from_the_environment(load):
    found = load(environ={"SKYHAUL_RULE": "mode=IW; tile=31TCL,31TDL"}).query
    assert found.rules == (Query(mode="IW"), Query(tiles=("31TCL", "31TDL")))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rule": ["cloud_max=200"]}, "--rule: cloud_max: 200 is not between 0 and 100"),
        ({"rule": ["mode=IW", "tile=X"]}, "--rule (number 2): tile: 'X' is not an MGRS tile"),
        ({"rule": ["start=2024-02-01,end=2024-01-01"]}, "--rule: end 2024-01-01 is not after --rule: start"),
        ({"rule": ["cloud_max=5,cloud_min=10"]}, "cloud_min 10 is above cloud_max 5"),
        ({"rule": ["mood=good"]}, "--rule: a rule has no key 'mood'; did you mean mode or op_mode?"),
        ({"rule": ["collection=SENTINEL-1"], "collection": "SENTINEL-2"}, "SENTINEL-1 is asked for beside SENTINEL-2"),
        ({"rule": ["mode=IW"], "platform": ["S1A", "S1C"]}, "name each platform in a rule"),
        ({"rule": [" ; "]}, "--rule: write KEY=VALUE"),
        ({"rule": 5}, "--rule: write one or several tables"),
        ({"rule": [5]}, "--rule: 5 is not a rule"),
        ({"datatake": ["0697DA", "GS2A_20240407T101031_045923_N05.10"]}, "name each in a rule of its own"),
        ({"season": "summer"}, "--season: 'summer' is not a season"),
        ({"baseline": "new"}, "--baseline: 'new' is not a processing baseline"),
    ],
)
def test_what_cannot_be_meant_is_said(load, options, sentence):
    with pytest.raises(SettingsError) as error:
        load(options)
    assert sentence in str(error.value)


def test_several_platforms_are_rules(query):
    assert query(platform="S2A").platform == "S2A"
    assert query(platform=["S2A,S2B"]) == Query(rules=(Query(platform="S2A"), Query(platform="S2B")))


def test_several_values_of_one_field_are_a_condition(query):
    assert query(relative_orbit="8,22").where == (among("relativeOrbitNumber", 8, 22),)
    assert query(relative_orbit=[8]) == Query(relative_orbit=8)
    assert query(serial="A").where == (equal("platformSerialIdentifier", "A"),)


def test_datatakes_baselines_and_seasons(query):
    found = query(datatake="0697DA,0697DB", season="04-01..06-30", baseline=["05.10,05.11", "<05.11"])
    assert found == Query(
        season=Season(first=(4, 1), last=(6, 30)),
        where=(
            among("datatakeID", 0x0697DA, 0x0697DB),
            among("processingBaseline", "05.10", "05.11"),
            Condition(attribute="processingBaseline", operator="lt", value="05.11"),
        ),
    )


def test_names_on_the_lines_of_a_file(load, tmp_path):
    (tmp_path / "names.txt").write_text("\ufeff# mine\nS2A_A.SAFE\n\n  S2A_B.SAFE \nS2A_A.SAFE\n", encoding="utf-8")
    found = load({"name": ["@names.txt", "S2A_C*"]}).query
    assert found.names == ("S2A_A.SAFE", "S2A_B.SAFE", "S2A_C*")


def test_a_file_belongs_to_the_folder_of_the_job(load, tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "ids.txt").write_text("A5B6CF23-37D4-4CAA-B41C-0EBB7B786D4F\n")
    (tmp_path / "jobs" / "job.toml").write_text('[query]\nid = "@ids.txt"\n')
    assert load(job=tmp_path / "jobs" / "job.toml").query.ids == ("a5b6cf23-37d4-4caa-b41c-0ebb7b786d4f",)


@pytest.mark.parametrize("written", ["-", "@-"])
def test_names_from_stdin(load, monkeypatch, written):
    monkeypatch.setattr("sys.stdin", io.StringIO("A\nB\n"))
    assert load({"name": written}).query.names == ("A", "B")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(None, "there is no file"), ("\n# none\n", "there is nothing in it"), ("x\n", "--id: 'x' is not a product id")],
)
def test_lists_that_cannot_be_used(load, tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "ids").write_text(text)
    with pytest.raises(SettingsError, match=sentence):
        load({"id": "@ids"})
