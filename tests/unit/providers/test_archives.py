from __future__ import annotations

import pytest

from skyhaul import providers
from skyhaul.errors import SettingsError
from skyhaul.settings import PROVIDERS


@pytest.mark.parametrize("archive", providers.ARCHIVES, ids=lambda archive: archive.name)
def test_every_archive_can_be_loaded(archive):
    made = archive.load()
    assert made.name == archive.name
    assert made.paging.page_size >= 2
    assert archive.title
    assert archive.needs


def test_every_archive_can_be_set_and_every_setting_is_of_an_archive():
    assert set(providers.known()) == set(PROVIDERS)


def test_an_unknown_archive_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match="the provider 'cdsee' is unknown; did you mean cdse"):
        providers.find("cdsee")


def test_names_may_be_in_capitals():
    assert providers.find("CDSE").name == "cdse"
