from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from skyhaul.archives import COPERNICUS
from skyhaul.errors import SettingsError
from skyhaul.providers import CLOUDFERRO
from skyhaul.sources.profiles import profile_keys

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def own_loop_may_block(blockbuster: BlockBuster) -> Iterator[None]:
    """The look-up has a loop of its own on a thread, which nobody else waits for."""
    blockbuster.deactivate()
    yield
    blockbuster.activate()


@pytest.fixture(autouse=True)
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text("[cdse]\naws_access_key_id = AK\naws_secret_access_key = SK\n")
    (tmp_path / "config").write_text("")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


async def test_a_profile_gives_its_keys() -> None:
    assert await profile_keys("cdse", COPERNICUS) == ("AK", "SK")


async def test_a_profile_that_does_not_exist_is_named() -> None:
    with pytest.raises(
        SettingsError, match=r"AWS_PROFILE=other.*set CREODIAS_S3_ACCESS_KEY and CREODIAS_S3_SECRET_KEY"
    ):
        await profile_keys("other", CLOUDFERRO)
