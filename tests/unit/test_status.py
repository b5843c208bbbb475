from __future__ import annotations

import pytest
from anyio import to_thread

from skyhaul.errors import JournalError
from skyhaul.journal import opened
from skyhaul.model import ByteRange, ProductResult, Report
from skyhaul.status import figures


def result(id_, state="verified", **more):
    return ProductResult(
        id=id_, name=f"{id_}.SAFE", state=state, path=f"{id_}.SAFE", bytes=100, level="manifest", **more
    )


async def told(destination):
    return await to_thread.run_sync(figures, destination)


async def test_status_tells_what_the_journal_knows(tmp_path):
    async with opened(tmp_path) as journal:
        await journal.begin_run("cdse  SENTINEL-2")
        journal.product(result("p1"), "whole")
        journal.product(result("p2"), "whole")
        journal.product(result("p3", "failed", kind="503", error="busy"), "whole")
        journal.begun("p4", "B04.jp2", size=100, etag="v1")
        journal.span("p4", "B04.jp2", ByteRange(start=0, stop=10))
        journal.span("p4", "B04.jp2", ByteRange(start=50, stop=60))
        journal.slice_read("2024-04", 3)
        journal.slice_read("2024-05", None, "count 5, read 4")
        while_open = await told(tmp_path)
        journal.end_run(Report(found=4, exit_code=4))
    found = await told(tmp_path)
    run = found.pop("last_run")
    assert found == {
        "destination": str(tmp_path),
        "products": {"failed": 1, "verified": 2},
        "bytes": 200,
        "levels": {"manifest": 2},
        "bytes_begun": 20,
        "failures": [{"name": "p3.SAFE", "kind": "503", "error": "busy"}],
        "incomplete": [{"slice": "2024-05", "error": "count 5, read 4"}],
    }
    assert (run["title"], run["exit_code"], run["id"]) == ("cdse  SENTINEL-2", 4, 1)
    assert run["ended_s"] >= run["started_s"]
    assert while_open["last_run"]["ended_s"] is None


async def test_status_of_a_journal_without_a_run(tmp_path):
    async with opened(tmp_path):
        pass
    assert (await told(tmp_path))["last_run"] is None


async def test_what_was_incomplete_in_an_earlier_run_is_not_told_of_the_last(tmp_path):
    async with opened(tmp_path) as journal:
        await journal.begin_run("first")
        journal.slice_read("2024-05", None, "count 5, read 4")
        await journal.begin_run("second")
        journal.slice_read("2024-05", 5)
    assert (await told(tmp_path))["incomplete"] == []


def test_status_of_a_folder_without_a_journal(tmp_path):
    with pytest.raises(JournalError, match="nothing was downloaded into this folder yet"):
        figures(tmp_path)
