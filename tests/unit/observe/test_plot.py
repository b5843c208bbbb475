from __future__ import annotations

import struct
import sys
from datetime import UTC, datetime, timedelta

import pytest

from skyhaul.errors import SettingsError, SinkError
from skyhaul.model import Product
from skyhaul.observe.plot import plot
from skyhaul.select import revisits


def statistics(count):
    start = datetime(2024, 1, 1, tzinfo=UTC)
    some = [
        Product(id=f"{day}", name="S1A_x", provider="cdse", start=start + timedelta(days=12 * day))
        for day in range(count)
    ]
    return revisits(some).per_pass


@pytest.mark.parametrize("count", [2, 40])
def test_a_png_of_four_panels(tmp_path, count):
    pytest.importorskip("matplotlib")
    plot(statistics(count), tmp_path / "x.png", "passes")
    head = (tmp_path / "x.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:]) == (2100, 1500)


def test_what_cannot_be_drawn_or_written(tmp_path, monkeypatch):
    with pytest.raises(SettingsError, match="two acquisitions at least"):
        plot(statistics(1), tmp_path / "x.png", "passes")
    with pytest.raises(SinkError, match="cannot be written"):
        plot(statistics(2), tmp_path / "gone" / "x.png", "passes")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SettingsError, match=r"pip install 'skyhaul\[plot\]'"):
        plot(statistics(2), tmp_path / "x.png", "passes")
