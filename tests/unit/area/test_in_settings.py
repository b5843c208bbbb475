from __future__ import annotations

from functools import partial

import pytest

from skyhaul.errors import SettingsError
from skyhaul.settings import load


@pytest.fixture
def told(tmp_path):
    return partial(load, environ={}, folder=tmp_path, user_file=tmp_path / "absent.toml")


def test_a_circle_is_one_of_the_areas(told):
    assert told({"circle": "11,45,10"}).query.area_label == "circle 11,45,10 km"
    with pytest.raises(SettingsError, match="--bbox and --circle exclude each other"):
        told({"circle": "11,45,10", "bbox": "1,2,3,4"})
    with pytest.raises(SettingsError, match="--circle: 'x' is not written LON,LAT,RADIUS_KM"):
        told({"circle": "x"})


def test_what_the_archive_is_asked_for_and_the_notices_come_along(told):
    ring = [[10 + 0.001 * step, 45 + (step % 2)] for step in range(400)]
    settings = told({"aoi": {"type": "Polygon", "coordinates": [[*ring, [10.5, 44], ring[0]]]}})
    assert settings.query.area_asked
    assert settings.query.area_asked != settings.query.area
    assert len(settings.notices) == 1
    assert settings.notices[0].startswith("area: 402 vertices are too many for a filter")
    assert told({"bbox": "1,2,3,4"}).query.area_asked is None
    assert told({"bbox": "1,2,3,4"}).notices == told().notices == ()
