"""The job files that users start from, planned against the archive."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_job_file_can_be_planned(archive, skyhaul, path):
    # Some ask for the last days, of which the archive has nothing.
    ran = skyhaul("run", path, "--dry-run", "--start", "2024-04-01", "--end", "2024-09-30", "--json")
    (plan,) = ran.lines
    assert ran.code == (0 if plan["products"] else 3), ran.err
    assert (plan["products"] > 0) or path.stem == "radar-scenes"
    assert plan["fits"] is True
    assert archive.fetched == 0


def test_several_missions_are_found_in_one_search(archive, skyhaul):
    job = next(path for path in CONFIGS if path.stem == "several-missions")
    ran = skyhaul("run", job, "--dry-run", "--json")
    assert ran.code == 0, ran.err
    (plan,) = ran.lines
    assert set(plan["by_type"]) == {"S2MSI2A", "IW_GRDH_1S", "OL_1_EFR___"}
