"""What every test runs under: one event loop library, and an error wherever skyhaul blocks that loop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster
from hypothesis import settings

from support.recorded import SHARED

# An example may take as long as a busy machine lets it: tests ask whether it is right, not whether it is fast.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def anyio_backend() -> str:
    """The sources stand on aiohttp, which knows asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def ledger(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The ledger of accounts is the tests' own."""
    os.environ["SKYHAUL_ACCOUNTS"] = str(tmp_path_factory.mktemp("state") / "accounts.db")


@pytest.fixture(scope="session", autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """Whatever blocks the loop, called by skyhaul on the loop's thread, raises ``BlockingError``."""
    guard = BlockBuster("skyhaul")
    guard.activate()
    yield guard
    guard.deactivate()


@pytest.fixture
def shared_data() -> Path:
    """The recorded replies of real archives; without them the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip("no recordings here: set SKYHAUL_SHARED_DATA")
    return SHARED


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no proxy and no roots of its own."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in {"SSL_CERT_FILE", "SSL_CERT_DIR"}:
            monkeypatch.delenv(name)
