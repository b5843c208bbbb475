from __future__ import annotations

from dataclasses import fields, replace

import pytest

from skyhaul import providers
from skyhaul.archives import Means, ProviderSettings
from skyhaul.credentials import Credentials
from skyhaul.errors import SettingsError
from skyhaul.settings import PROVIDERS

URL = "https://archive.example"


@pytest.mark.parametrize("archive", providers.ARCHIVES, ids=lambda archive: archive.name)
def test_every_archive_can_be_made(archive):
    made = archive.make(
        Means(
            archive=archive.name,
            web=None,
            settings=replace(archive.settings, url=archive.settings.url or URL),
            sources={},
        )
    )
    assert made.provider.name == archive.name
    assert made.provider.paging.page_size >= 2
    assert archive.title
    assert archive.needs


def test_which_linked_archives_are_asked_whether_all_is_as_it_was():
    """Not those whose recorded replies state no total, nor those that cannot sort by modification."""
    means = Means(
        archive="x", web=None, settings=ProviderSettings(url=URL, catalogue_url=URL, stac_url=URL), sources={}
    )
    made = {archive.name: archive.make(replace(means, archive=archive.name)) for archive in providers.ARCHIVES}
    counted = {name for name, each in made.items() if getattr(each.provider.paging, "counted", False)}
    assert counted == {"earth-search", "stac"}


@pytest.mark.parametrize("archive", providers.ARCHIVES, ids=lambda archive: archive.name)
def test_what_an_archive_takes_can_be_set_and_what_it_has_is_taken(archive):
    names = {each.name for each in fields(ProviderSettings)}
    assert set(archive.keys) <= names
    usual = ProviderSettings()
    stated = {name for name in names if getattr(archive.settings, name) != getattr(usual, name)}
    assert stated <= set(archive.keys)
    assert all(hasattr(Credentials(), name) for name in (archive.account.takes if archive.account else ()))


def test_every_archive_can_be_set_and_every_setting_is_of_an_archive():
    assert providers.known() == tuple(PROVIDERS)


def test_an_unknown_archive_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match="the provider 'cdsee' is unknown; did you mean cdse"):
        providers.find("cdsee")


def test_names_may_be_in_capitals():
    assert providers.find("CDSE").name == "cdse"


@pytest.mark.parametrize("name", ["scihub", "apihub", "peps", "Finder", "zipper", "https://peps.cnes.fr/resto"])
def test_an_archive_that_is_gone_is_answered_with_what_replaced_it(name):
    with pytest.raises(SettingsError, match="replaced by"):
        providers.find(name)
