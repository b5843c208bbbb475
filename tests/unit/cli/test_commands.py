"""Commands against the embedded archive: what goes to stdout, what to stderr, which exit code."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import urllib.request

import pytest

from skyhaul.__main__ import main

TYPE = ("--product-type", "S2MSI2A")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Where a small embedded archive serves, for as long as these tests run."""
    command = [
        sys.executable,
        "-m",
        "skyhaul",
        "simulate",
        "--until-stdin-closes",
        "--products",
        "12",
        "--scale",
        "0.001",
    ]
    with subprocess.Popen(
        [*command, "--scenario", "unlimited"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path_factory.mktemp("archive"),
    ) as process:
        yield json.loads(process.stdout.readline())["environment"]
        process.stdin.close()


@pytest.fixture
def skyhaul(monkeypatch, capfd, tmp_path, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["skyhaul", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return ended.value.code, out, err

    return run


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_search_prints_products_and_nothing_else(skyhaul):
    code, out, err = skyhaul("search", *TYPE, "--json")
    found = lines(out)
    assert code == 0
    assert found
    assert err == skyhaul("search", *TYPE, "--count")[2]
    (said,) = err.splitlines()
    assert said.startswith(f"skyhaul: {len(found)} products, ")
    assert f"(S2MSI2A {len(found)} of " in said
    assert said.endswith(" at the archive's limits, 0 % of 30 days' allowance")
    assert {product["product_type"] for product in found} == {"S2MSI2A"}
    assert all("coverage" not in product for product in found)
    assert skyhaul("search", *TYPE, "--count")[1] == f"{len(found)}\n"
    assert skyhaul("search", *TYPE, "--format", "names")[1].split() == [product["name"] for product in found]
    assert len(skyhaul("search", *TYPE)[1].splitlines()) == len(found) + 1


def test_search_in_an_area_says_how_much_of_it_is_covered(skyhaul):
    code, out, _ = skyhaul("search", *TYPE, "--bbox", "9.5,44,13,46", "--json")
    assert code == 0
    assert all(0 < product["coverage"] <= 100 for product in lines(out))


def test_options_of_search_may_come_from_the_environment(skyhaul, monkeypatch):
    monkeypatch.setenv("SKYHAUL_PRODUCT_TYPE", "S2MSI2A")
    monkeypatch.setenv("SKYHAUL_LIMIT", "1")
    monkeypatch.setenv("SKYHAUL_FORMAT", "csv")
    code, out, _ = skyhaul("search")
    assert code == 0
    (row,) = csv.DictReader(out.splitlines())
    assert row["product_type"] == "S2MSI2A"


def test_nothing_matched(skyhaul):
    code, out, err = skyhaul("search", "--name", "S9*", "--format", "names")
    assert (code, out, err) == (3, "", "skyhaul: nothing matched\n")
    assert skyhaul("search", "--name", "S9*", "--count") == (3, "0\n", "skyhaul: nothing matched\n")


def test_nothing_matched_for_what_may_be_left_out(skyhaul):
    everything = skyhaul("search", *TYPE, "--count")[1].strip()
    code, _, err = skyhaul("search", "--collection", "SENTINEL-2", *TYPE, "--online", "--platform", "S1A")
    assert (code, err) == (3, f"skyhaul: nothing matched; without --platform there would be {everything}\n")


def test_what_was_deleted_is_named_with_what_replaces_it(skyhaul):
    code, out, err = skyhaul("search", *TYPE, "--check-deleted", "--format", "names")
    first, *gone = err.splitlines()[:-1]
    assert code == 0
    assert first == f"skyhaul: {len(gone)} products that match were deleted by the archive:"
    assert gone
    for line in gone:
        name, fate = line.removeprefix("skyhaul:   ").split(": deleted by the archive on ")
        assert name not in out
        assert "; replaced by S2" in fate
        assert fate.split("replaced by ")[1] in out.splitlines()
    assert "nothing that matches was deleted" in skyhaul("search", "--tile", "01CCV", "--check-deleted")[2]


def test_a_product_that_was_deleted_since_the_search(skyhaul, tmp_path, environment):
    url = environment["SKYHAUL_PROVIDERS__CDSE__CATALOGUE_URL"] + "/DeletedProducts?$expand=Attributes&$top=1"
    with urllib.request.urlopen(url.replace("$", "%24")) as answer:
        (gone,) = json.load(answer)["value"]
    line = lines(skyhaul("search", *TYPE, "--json")[1])[0]
    line |= {"id": gone["Id"], "name": gone["Name"], "start": gone["ContentDate"]["Start"], "checksums": {}}
    (tmp_path / "saved.jsonl").write_text(json.dumps(line) + "\n")
    code, out, _ = skyhaul("download", "--from", "saved.jsonl", "--into", "archive", "--via", "http", "--json")
    (result,) = lines(out)
    assert (code, result["state"], result["kind"]) == (1, "failed", "ObjectMissing")
    assert f"deleted by the archive on {gone['DeletionDate'][:10]} ({gone['DeletionCause']})" in result["error"]
    assert "; replaced by S2" in result["error"]


def test_what_of_a_list_was_deleted_is_named_with_what_replaces_it(skyhaul, tmp_path):
    said = skyhaul("search", *TYPE, "--check-deleted", "--format", "names")[2].splitlines()[1:-1]
    gone = [line.removeprefix("skyhaul:   ").partition(":")[0] for line in said]
    kept = lines(skyhaul("search", *TYPE, "--limit", "1", "--json")[1])[0]
    (tmp_path / "names.txt").write_text("\n".join([*gone, kept["name"]]))
    options = ("--into", "archive", "--via", "http", "--check-deleted", "--json")
    code, _, err = skyhaul("download", "--from", "names.txt", *options)
    assert code != 0, "what is gone cannot be had"
    assert f"skyhaul: {len(gone)} products that match were deleted by the archive:" in err
    assert set(said) <= set(err.splitlines())
    (tmp_path / "kept.jsonl").write_text(json.dumps(kept) + "\n")
    code, _, err = skyhaul("download", "--from", "kept.jsonl", *options)
    assert (code, "nothing that matches was deleted by the archive" in err) == (0, True)


def test_names_from_a_file_that_the_catalogue_does_not_have(skyhaul, tmp_path):
    names = skyhaul("search", *TYPE, "--format", "names")[1].splitlines()
    (tmp_path / "names.txt").write_text("\n".join([*names, "S2A_NONE.SAFE"]))
    code, out, err = skyhaul("search", "--name", "@names.txt", "--format", "names")
    assert (code, sorted(out.splitlines())) == (0, sorted(names))
    assert err.startswith("skyhaul: not in the catalogue: S2A_NONE.SAFE\n")


def test_two_rules_are_searched_at_once(skyhaul):
    either = {
        line["id"]
        for option in (("--platform", "SENTINEL-1"), TYPE)
        for line in lines(skyhaul("search", *option, "--json")[1])
    }
    rules = ("--rule", "platform=SENTINEL-1", "--rule", "product_type=S2MSI2A")
    assert {line["id"] for line in lines(skyhaul("search", *rules, "--json")[1])} == either
    assert skyhaul("search", *rules, "--count")[1] == f"{len(either)}\n"


def test_a_result_in_a_file_is_there_when_it_is_whole(skyhaul, tmp_path):
    code, out, _ = skyhaul("search", *TYPE, "--format", "geojson", "--output", "sub/found.geojson")
    assert (code, out) == (0, "")
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["found.geojson"]
    assert json.loads((tmp_path / "sub" / "found.geojson").read_text())["features"]


def test_a_result_that_cannot_be_written(skyhaul, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = skyhaul("search", *TYPE, "--output", "file/found.geojson")
    assert code == 6
    assert err.startswith("skyhaul: file/found.geojson cannot be written (")


def test_plan_says_what_a_download_would_take_without_credentials(skyhaul, monkeypatch, environment):
    code, out, err = skyhaul("plan", *TYPE, "--json")
    (plan,) = lines(out)
    assert (code, err) == (0, "")
    assert plan["products"] > 0
    assert plan["fits"] is True
    for name in environment:
        if name.startswith("CDSE_"):
            monkeypatch.delenv(name)
    code, out, err = skyhaul("plan", *TYPE)
    assert code == 0
    assert out.startswith("products  ")
    assert err == "skyhaul: no credentials are set; planned as for an account that has all there are\n"
    assert skyhaul("plan", "--name", "S9*")[0] == 3


def test_download_prints_a_line_for_each_product_and_again_from_the_journal(skyhaul, tmp_path):
    query = (*TYPE, "--online", "--limit", "2")
    code, out, err = skyhaul("download", *query, "--into", "archive", "--json", "--events", "events.jsonl")
    assert code == 0
    assert {product["state"] for product in lines(out)} == {"verified"}
    assert all((tmp_path / product["path"]).is_dir() for product in lines(out))
    assert list(lines(out)[0]) == [
        "name",
        "id",
        "state",
        "path",
        "bytes",
        "seconds",
        "level",
        "attempts",
        "kind",
        "error",
    ]
    assert "exit 0: everything asked for is on disk" in err
    assert lines((tmp_path / "events.jsonl").read_text())[-1]["event"] == "RunFinished"

    code, out, _ = skyhaul("download", *query, "--into", "archive", "--json")
    assert code == 0
    assert {product["state"] for product in lines(out)} == {"present"}

    code, out, _ = skyhaul("status", "archive", "--json")
    assert (code, lines(out)[0]["products"]) == (0, {"verified": 2})
    code, out, _ = skyhaul("status", "archive")
    assert "2 verified" in out


@pytest.mark.parametrize("form", ["geojson", "jsonl", "csv", "names", "stac"])
def test_a_saved_result_is_downloaded(skyhaul, tmp_path, form):
    assert skyhaul("search", *TYPE, "--online", "--limit", "1", "--format", form, "--output", "found")[0] == 0
    code, out, _ = skyhaul("download", "--from", "found", "--into", "archive", "--json", "--bands", "SCL")
    (product,) = lines(out)
    assert (code, product["state"]) == (0, "verified")
    images = [path.name for path in (tmp_path / product["path"]).rglob("*.jp2")]
    assert [name.rpartition("_SCL_")[2] for name in images] == ["20m.jp2"]


def test_a_name_that_the_catalogue_does_not_have_is_missed(skyhaul, tmp_path):
    (tmp_path / "list.txt").write_text("S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR_20240713T164852.SAFE\n")
    code, out, _ = skyhaul("download", "--from", "list.txt", "--into", "archive")
    assert code in {1, 3}
    assert "S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR_20240713T164852.SAFE" in " ".join(out.split())


def test_a_dry_run_fetches_nothing(skyhaul, tmp_path):
    code, out, _ = skyhaul("download", *TYPE, "--into", "archive", "--dry-run")
    assert code == 0
    assert out.startswith("products  ")
    assert not (tmp_path / "archive").exists()


def test_a_job_file_is_run_and_options_come_first(skyhaul, tmp_path):
    (tmp_path / "job.toml").write_text(
        '[query]\nproduct_type = ["S2MSI2A"]\nonline = true\nlimit = 5\n[download]\ninto = "job"\n'
    )
    code, out, _ = skyhaul("run", "job.toml", "--limit", "1", "--json")
    assert code == 0
    assert len(lines(out)) == 1
    assert (tmp_path / "job" / lines(out)[0]["name"]).is_dir()


def test_a_command_is_run_for_each_product(skyhaul, tmp_path):
    script = "import sys, pathlib; pathlib.Path('seen').write_text(' '.join(sys.argv[1:]))"
    command = f'{sys.executable} -c "{script}" {{path}} {{name}}'
    code, out, _ = skyhaul(
        "download", *TYPE, "--online", "--limit", "1", "--into", "archive", "--json", "--on-product", command
    )
    (product,) = lines(out)
    assert code == 0
    assert (tmp_path / "seen").read_text() == f"{product['path']} {product['name']}"


def test_a_command_that_fails_is_said_and_fails_nothing_else(skyhaul):
    command = f"{sys.executable} -c 'raise SystemExit(\"no disk\")'"
    code, _, err = skyhaul("download", *TYPE, "--online", "--limit", "1", "--into", "archive", "--on-product", command)
    assert code == 0
    assert "exit 1 no disk" in err
    code, _, err = skyhaul(
        "download", *TYPE, "--online", "--limit", "1", "--into", "other", "--on-product", "no-such-program"
    )
    assert code == 0
    assert "no-such-program" in err


def test_an_events_file_that_cannot_be_written(skyhaul, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = skyhaul("download", *TYPE, "--into", "archive", "--events", "file/events.jsonl")
    assert code == 6
    assert err.startswith("skyhaul: file/events.jsonl cannot be written (")


def test_wrong_credentials_name_their_variables(skyhaul, monkeypatch):
    monkeypatch.setenv("CDSE_PASSWORD", "hunter2-wrong")
    code, out, err = skyhaul("download", *TYPE, "--limit", "1", "--into", "archive", "--via", "http")
    assert code == 5
    assert "check CDSE_USERNAME and CDSE_PASSWORD" in " ".join((out + err).split())
    assert "hunter2" not in out + err
    code, out, _ = skyhaul("auth", "check", "--json")
    assert code == 5
    assert {check["name"]: check["ok"] for check in lines(out)} == {"catalogue": True, "login": False, "s3": True}


def test_auth_check_tries_what_is_set_and_names_what_is_not(skyhaul, monkeypatch):
    assert skyhaul("auth", "check")[:2] == (0, "catalogue  ok  works\nlogin      ok  works\ns3         ok  works\n")
    monkeypatch.delenv("CDSE_S3_ACCESS_KEY")
    monkeypatch.delenv("CDSE_S3_SECRET_KEY")
    code, out, _ = skyhaul("auth", "check")
    assert code == 0
    assert "set CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY" in out
    monkeypatch.delenv("CDSE_USERNAME")
    monkeypatch.delenv("CDSE_PASSWORD")
    assert skyhaul("auth", "check")[0] == 5


def test_providers_show_the_addresses_that_are_set(skyhaul, environment):
    code, out, _ = skyhaul("providers", "--json")
    assert code == 0
    assert lines(out)[0]["s3_url"] == environment["SKYHAUL_PROVIDERS__CDSE__S3_URL"]
    assert "catalogue_url" in skyhaul("providers")[1]


def test_a_dashboard_can_be_asked_for(skyhaul):
    code, _, err = skyhaul("download", *TYPE, "--online", "--limit", "1", "--into", "archive", "--dashboard", "on")
    assert code == 0
    assert "products" in err


def test_the_demo_needs_no_account_and_ignores_settings(skyhaul, monkeypatch, tmp_path):
    monkeypatch.setenv("SKYHAUL_COLLECTION", "SENTINEL-1")
    monkeypatch.setenv("CDSE_USERNAME", "nobody")
    (tmp_path / ".env").write_text("SKYHAUL_CLOUD_MAX=1\n")
    code, out, _ = skyhaul("demo", "--fast", "--products", "2", "--into", "demo")
    assert code == 0
    assert "2 verified" in out
    assert len([path for path in (tmp_path / "demo").iterdir() if path.suffix == ".SAFE"]) == 2
