"""Pages that are cut, empty, shifted or miscounted: every product is found, or the slice is named that could not be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from skyhaul import compose
from skyhaul.__main__ import main
from skyhaul.retry import RetryPolicy
from support.served import Archive, Ran, simulated

COUNT = 2500


@pytest.fixture(scope="module")
def large() -> Iterator[Archive]:
    """Three pages of products."""
    with simulated("--products", str(COUNT), "--checksums", "none") as archive:
        yield archive


@pytest.fixture
def archive(large: Archive) -> Archive:
    large.play()
    return large


@pytest.fixture
def impatient(archive, skyhaul, monkeypatch, capfd) -> Callable[..., Ran]:
    """The command line in this process, which waits a hundredth of the usual time before it asks again."""
    monkeypatch.setattr(compose, "RetryPolicy", partial(RetryPolicy, wait_initial_s=0.005, wait_max_s=0.6))
    for name, value in skyhaul.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(skyhaul.folder)

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr("sys.argv", ["skyhaul", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Ran(code=int(ended.value.code or 0), out=out, err=err)

    return run


@pytest.mark.parametrize(
    "faults",
    [
        [{"kind": "status", "status": 502}, {"kind": "malformed"}, {"kind": "error-page"}],
        [{"kind": "empty-page"}, {"kind": "shifted-page"}, {"kind": "duplicate"}],
        [{"kind": "wrong-count"}, {"kind": "lost-link"}, {"kind": "silence"}],
    ],
    ids=["no-page", "wrong-page", "wrong-count"],
)
def test_every_product_is_found_once(archive, skyhaul, faults):
    numbered = ({"route": "catalogue.products", "nth": number, **fault} for number, fault in enumerate(faults, start=1))
    archive.play(*numbered)
    ran = skyhaul("search", "--start", "2000-01-01", "--format", "names", SKYHAUL_PROVIDERS__CDSE__STALL_S="1")
    assert ran.code == 0, ran.err
    assert archive.stats()["faults"] == {fault["kind"]: 1 for fault in faults}
    names = ran.out.splitlines()
    assert len(names) == len(set(names)) == COUNT


@pytest.mark.parametrize("kind", ["shifted-page", "wrong-count", "malformed"])
def test_what_cannot_be_proven_complete_is_named(archive, skyhaul, impatient, kind):
    archive.play({"route": "catalogue.products", "kind": kind})
    ran = impatient("search", "--start", "2024-04-01", "--end", "2024-04-02", "--format", "names", "--output", "found")
    assert ran.code == 4
    last = ran.err.splitlines()[-1]
    assert last.startswith("skyhaul: the catalogue could not be read completely: 2024-04-01")
    assert last.endswith("; what was found is in found.part")
    assert "Traceback" not in ran.err
    assert not (skyhaul.folder / "found").exists()  # half a result is not taken for a whole one


def test_an_incomplete_catalogue_is_an_incomplete_download(archive, skyhaul, impatient):
    archive.play({"route": "catalogue.products", "kind": "wrong-count"})
    query = ("--tile", "32TQR", "--end", "2024-04-10", "--online")
    ran = impatient("download", *query, "--into", "archive", "--only", "MTD_MSI*", "--json")
    assert ran.code == 4
    assert {line["state"] for line in ran.lines} == {"verified"}
    assert "incomplete" in ran.err
    (figures,) = impatient("status", "archive", "--json").lines
    assert len(figures["incomplete"]) == 1
    assert figures["last_run"]["exit_code"] == 4
