"""Archives that are gone: asked for by name, by address or as the home of a listed file, they are answered with what replaced them."""

from __future__ import annotations

import pytest

from skyhaul import settings
from skyhaul.errors import SettingsError
from skyhaul.lists import entry
from skyhaul.providers import ARCHIVES, find

NAMES = {
    "scihub": "--provider cdse",
    "apihub": "--provider cdse",
    "ApiHub": "--provider cdse",
    "scihub.copernicus.eu": "--provider cdse",
    "https://apihub.copernicus.eu/apihub": "--provider cdse",
    "peps": "--provider geodes",
    "peps.cnes.fr": "--provider geodes",
    "cdse-resto": "--provider cdse",
    "zipper": "download.dataspace.copernicus.eu",
    "finder": "--provider creodias",
}

ADDRESSES = {
    "https://scihub.copernicus.eu/dhus": "--provider cdse",
    "https://apihub.copernicus.eu/apihub": "--provider cdse",
    "https://peps.cnes.fr/resto": "--provider geodes",
    "https://catalogue.dataspace.copernicus.eu/stac": "--provider cdse-stac",
    "https://catalogue.dataspace.copernicus.eu/resto/api": "catalogue.dataspace.copernicus.eu/odata/v1",
    "https://zipper.dataspace.copernicus.eu/odata/v1": "download.dataspace.copernicus.eu",
    "https://finder.creodias.eu/resto": "--provider creodias",
}


@pytest.mark.parametrize("name", NAMES)
def test_by_name(name):
    with pytest.raises(SettingsError, match="replaced by") as refused:
        find(name)
    assert NAMES[name] in str(refused.value)


@pytest.mark.parametrize("archive", [each.name for each in ARCHIVES if "url" in each.takes])
@pytest.mark.parametrize("address", ADDRESSES)
def test_by_address(address, archive, tmp_path):
    given = {"provider": archive, "url": address, "collection": "SENTINEL-2", "start": "2024-04-01"}
    with pytest.raises(SettingsError, match="replaced by") as refused:
        settings.load(given, environ={}, folder=tmp_path, user_file=tmp_path / "none.toml")
    assert ADDRESSES[address] in str(refused.value)
    assert "--url" in str(refused.value)


@pytest.mark.parametrize("address", ADDRESSES)
def test_as_the_home_of_a_listed_file(address):
    with pytest.raises((SettingsError, ValueError), match="replaced by"):
        entry(f"{address}/Products(1)/$value", "line 1")
