from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from support.told import Told


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
