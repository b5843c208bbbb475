from __future__ import annotations

from pathlib import Path

import pytest

from skyhaul.settings import load

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))


def loaded(path, tmp_path):
    return load(job=path, environ={}, folder=tmp_path, user_file=tmp_path / "absent.toml")


def test_there_are_some():
    assert {path.stem for path in CONFIGS} >= {
        "ndvi-time-series",
        "archive-backfill",
        "radar-scenes",
        "several-missions",
    }


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_job_file_says_what_and_where_to(path, tmp_path):
    settings = loaded(path, tmp_path)
    assert settings.query.collection or all(rule.collection for rule in settings.query.rules)
    assert settings.query.sensing.start
    assert settings.download is not None
    assert settings.download.into.parts[0] == "archive"


def test_the_time_series_wants_three_bands_of_its_region(tmp_path):
    settings = loaded(CONFIGS[0].with_stem("ndvi-time-series"), tmp_path)
    assert settings.download is not None
    assert set(settings.download.wish().only) >= {"*_B04_10m.jp2", "*_B08_10m.jp2", "*_SCL_20m.jp2"}
    assert settings.query.area_label == "po-valley.geojson"


def test_the_backfill_wants_everything(tmp_path):
    settings = loaded(CONFIGS[0].with_stem("archive-backfill"), tmp_path)
    assert settings.download is not None
    assert settings.download.wish().whole
    assert settings.download.via == "auto"


def test_several_missions_are_rules_of_one_search(tmp_path):
    query = loaded(CONFIGS[0].with_stem("several-missions"), tmp_path).query
    assert [rule.collection for rule in query.rules] == ["SENTINEL-2", "SENTINEL-1", "SENTINEL-3"]
    assert query.season is not None
    assert (query.season.first, query.season.last) == ((4, 1), (9, 30))
    assert query.area_label == "po-valley.geojson"
    assert query.rules[0].cloud_max == 20
