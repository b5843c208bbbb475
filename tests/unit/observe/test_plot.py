from __future__ import annotations

import struct
import sys
from datetime import UTC, datetime, timedelta

import pytest

from skyhaul.errors import SettingsError, SinkError
from skyhaul.model import Product
from skyhaul.observe.measures import Bar, Panel
from skyhaul.observe.plot import draw_panels, plot
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


PANELS = (
    Panel(
        title="Connections",
        across="connections at once",
        bars=(Bar(label="1", rate=5e8, cores=0.7, chosen=True), Bar(label="2", rate=0.0, cores=0.0)),
    ),
    Panel(title="Verification and disk", across="verified by", bars=(Bar(label="disk alone", rate=1.2e9),)),
)
SAID = {"title": "skyhaul bench: a host", "machine": "2 cores", "advice": "--connections 1: " + "very fast; " * 30}


def test_a_png_of_what_was_measured(tmp_path, monkeypatch):
    figures = pytest.importorskip("matplotlib.figure")
    saved = []
    savefig = figures.Figure.savefig

    def saving(figure, *args, **more):
        saved.append(figure)
        savefig(figure, *args, **more)

    monkeypatch.setattr(figures.Figure, "savefig", saving)
    draw_panels(PANELS, tmp_path / "bench.png", **SAID)
    assert struct.unpack(">II", (tmp_path / "bench.png").read_bytes()[16:24]) == (1200, 700)
    connections, disk = saved[0].axes
    assert [(axes.get_xlabel(), axes.get_ylabel()) for axes in (connections, disk)] == [
        ("connections at once", "MB/s"),
        ("verified by", "MB/s"),
    ]
    assert [bar.get_height() for bar in connections.patches] == [500, 0]
    assert [text.get_text() for text in connections.texts] == ["500\n0.7 cores", "0\n0.0 cores"]
    assert connections.patches[0].get_facecolor() != connections.patches[1].get_facecolor()
    assert saved[0].get_suptitle() == "skyhaul bench: a host\n2 cores"
    whole = saved[0].bbox
    texts = [*saved[0].texts, saved[0]._suptitle, saved[0]._supxlabel, *(axes.title for axes in saved[0].axes)]
    for text in texts:
        box = text.get_window_extent()
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1, text.get_text()


def test_a_chart_that_cannot_be_written(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    with pytest.raises(SinkError, match="cannot be written"):
        draw_panels(PANELS, tmp_path / "gone" / "bench.png", **SAID)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SettingsError, match=r"pip install 'skyhaul\[plot\]'"):
        draw_panels(PANELS, tmp_path / "bench.png", **SAID)
