"""The main job: the same files on disk whatever the route, verified, and nothing twice."""

from __future__ import annotations

import json
import shutil
import sqlite3

import pytest

from support.served import MIXED
from support.trees import products, published, wrong

FEW = ("--collection", "SENTINEL-2", "--product-type", "S2MSI2A", "--tile", "32TQR", "--online", "--limit", "2")
KEYS = ["name", "id", "state", "path", "bytes", "seconds", "level", "attempts", "kind", "error"]


def test_every_route_leaves_the_same_files(archive, skyhaul):
    names = "\n".join(MIXED)
    trees = {}
    for via in ("auto", "s3", "http"):
        ran = skyhaul("download", "--from", "-", "--into", via, "--via", via, "--json", stdin=names)
        assert ran.code == 0, ran.err
        assert sorted(line["name"] for line in ran.lines) == sorted(MIXED)
        assert {line["level"] for line in ran.lines} <= {"blake3", "manifest"}
        trees[via] = published(skyhaul.folder / via)
        assert {path.split("/")[0] for path in trees[via]} == set(MIXED)
        assert sum(line["bytes"] for line in ran.lines) == sum(map(len, trees[via].values()))
    assert trees["auto"] == trees["s3"] == trees["http"]
    assert len(products(skyhaul.folder / "s3")) == 5
    assert wrong(skyhaul.folder / "s3") == []
    assert archive.stats()["refused"] == 0  # never a fifth stream


def test_run_again_nothing_is_fetched_and_everything_is_there(archive, skyhaul):
    assert skyhaul("download", *FEW, "--into", "archive", "--via", "s3").code == 0
    before = {path: (skyhaul.folder / "archive" / path).stat() for path in published(skyhaul.folder / "archive")}
    archive.play()
    for via in ("s3", "http"):
        again = skyhaul("download", *FEW, "--into", "archive", "--via", via, "--json")
        assert again.code == 0
        assert [line["state"] for line in again.lines] == ["present", "present"]
    assert archive.fetched == archive.asked("s3", "token") == 0
    assert {
        path: (skyhaul.folder / "archive" / path).stat() for path in published(skyhaul.folder / "archive")
    } == before


@pytest.mark.parametrize("via", ["s3", "http"])
def test_what_was_removed_comes_again_and_nothing_else(archive, skyhaul, via):
    assert skyhaul("download", *FEW, "--into", "archive", "--via", via).code == 0
    whole = published(skyhaul.folder / "archive")
    first, second = products(skyhaul.folder / "archive")
    (first / "MTD_MSIL2A.xml").unlink()
    archive.play()
    again = skyhaul("download", *FEW, "--into", "archive", "--via", via, "--json")
    assert again.code == 0
    assert {line["name"]: line["state"] for line in again.lines} == {first.name: "verified", second.name: "present"}
    assert published(skyhaul.folder / "archive") == whole
    assert archive.asked("download.zip" if via == "http" else "s3.get") == 1


def test_without_its_journal_files_are_verified_again_not_fetched(archive, skyhaul):
    taken = ("download", "--from", "-", "--into", "archive", "--via", "http", "--json")
    names = "\n".join(MIXED[1:])  # the auxiliary product's manifest lists nothing: it could not be verified
    assert skyhaul(*taken, stdin=names).code == 0
    whole = published(skyhaul.folder / "archive")
    shutil.rmtree(skyhaul.folder / "archive" / ".skyhaul")
    (damaged,) = (path for path in products(skyhaul.folder / "archive") if "MSIL1C" in path.name)
    band = next(damaged.glob("GRANULE/*/IMG_DATA/*_B04.jp2"))
    band.write_bytes(band.read_bytes()[:-1] + b"?")
    archive.play()
    again = skyhaul(*taken, stdin=names)
    assert again.code == 0
    states = {line["name"]: line["state"] for line in again.lines}
    assert states.pop(damaged.name) == "verified"
    assert set(states.values()) == {"present"}
    assert archive.fetched == 1
    assert published(skyhaul.folder / "archive") == whole


def test_a_job_file_does_the_same(archive, skyhaul):
    (skyhaul.folder / "job.toml").write_text(
        """
        [query]
        collection = "SENTINEL-2"
        product_type = ["S2MSI2A"]
        tile = ["32TQR"]
        online = true
        limit = 2

        [download]
        into = "archive"
        via = "s3"
        bands = ["B04", "SCL"]
        layout = "{tile}/{start:%Y}/{name}"
        """
    )
    ran = skyhaul("run", "job.toml", "--json")
    assert ran.code == 0, ran.err
    assert len(ran.lines) == 2
    for line in ran.lines:
        folder = skyhaul.folder / line["path"]
        assert folder == skyhaul.folder / "archive/32TQR/2024" / line["name"]
        assert {path.name.split("_")[2] for path in folder.rglob("*.jp2")} == {"B04", "SCL"}
        assert (folder / "manifest.safe").is_file()
        assert list(folder.glob("MTD*.xml"))


def test_json_is_a_line_a_product_and_events_are_everything(archive, skyhaul):
    ran = skyhaul("download", *FEW, "--into", "archive", "--json", "--events", "logs/events.jsonl")
    assert ran.code == 0
    assert [list(line) for line in ran.lines] == [KEYS, KEYS]
    events = [json.loads(line) for line in (skyhaul.folder / "logs/events.jsonl").read_text().splitlines()]
    assert events[0]["event"] == "RunStarted"
    assert events[-1]["event"] == "RunFinished"
    assert events[-1]["report"]["exit_code"] == 0
    told = [event for event in events if event["event"] == "ProductFinished"]
    assert [event["result"]["name"] for event in told] == [line["name"] for line in ran.lines]
    assert "Traceback" not in ran.err
    assert "exit 0" in ran.err


def test_status_says_what_the_run_said(archive, skyhaul):
    skyhaul("download", *FEW, "--into", "archive", "--via", "http")
    told = skyhaul("status", "archive")
    assert told.code == 0
    assert "2 verified" in told.out
    (figures,) = skyhaul("status", "archive", "--json").lines
    assert figures["products"] == {"verified": 2}
    assert figures["levels"] == {"blake3": 2}
    assert figures["bytes"] == sum(map(len, published(skyhaul.folder / "archive").values()))
    assert figures["last_run"]["exit_code"] == 0
    assert figures["failures"] == figures["incomplete"] == []


def test_nothing_matched(archive, skyhaul):
    ran = skyhaul("download", "--tile", "01CCV", "--into", "archive", "--json")
    assert (ran.code, ran.out) == (3, "")
    assert "Traceback" not in ran.err


def test_what_is_offline_is_named_and_the_rest_is_fetched(archive, skyhaul):
    ran = skyhaul("download", "--tile", "31TCF", "--end", "2024-04-01", "--into", "archive", "--json")
    states = {line["name"]: line["state"] for line in ran.lines}
    offline = "S2B_MSIL1C_20240401T104031_N0510_R008_T31TCF_20240401T114748.SAFE"
    assert ran.code == 1
    assert states.pop(offline) == "offline"
    assert set(states.values()) == {"verified"}
    assert offline in ran.err
    assert not (skyhaul.folder / "archive" / offline).exists()


def test_how_far_a_run_may_go(archive, skyhaul):
    ran = skyhaul("download", "--tile", "32TQR", "--online", "--into", "archive", "--max-bytes", "2MB", "--json")
    assert ran.code == 1
    assert "--max-bytes" in ran.err
    assert 3 <= len(products(skyhaul.folder / "archive")) < 20
    assert wrong(skyhaul.folder / "archive") == []


def test_the_journal_is_a_database_that_others_can_read(archive, skyhaul):
    skyhaul("download", *FEW, "--into", "archive", "--via", "s3")
    with sqlite3.connect(skyhaul.folder / "archive/.skyhaul/journal.db") as journal:
        assert journal.execute("SELECT count(*) FROM products WHERE state = 'verified'").fetchone() == (2,)
        assert journal.execute("SELECT count(*) FROM spans").fetchone() == (0,)
        assert journal.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    journal.close()


def test_providers_and_their_addresses(archive, skyhaul):
    cdse, *others = skyhaul("providers", "--json").lines
    assert cdse["name"] == "cdse"
    assert {"creodias", "dhus", "earth-search", "geodes", "noa", "stac"} <= {other["name"] for other in others}
    assert cdse["catalogue_url"] == archive.addresses["catalogue_url"]
    assert "cdse" in skyhaul("providers").out


def test_auth_check_tries_every_door(archive, skyhaul):
    good = skyhaul("auth", "check", "--json")
    assert good.code == 0
    assert {line["name"]: line["ok"] for line in good.lines} == {"catalogue": True, "login": True, "s3": True}
    bad = skyhaul("auth", "check", "--json", CDSE_PASSWORD="not-it-at-all", CDSE_S3_SECRET_KEY="nor-is-this")
    assert bad.code == 5
    assert {line["name"]: line["ok"] for line in bad.lines} == {"catalogue": True, "login": False, "s3": False}
    assert "CDSE_PASSWORD" in bad.out
    assert "CDSE_S3_SECRET_KEY" in bad.out
    assert "not-it-at-all" not in bad.out + bad.err
    assert "nor-is-this" not in bad.out + bad.err
