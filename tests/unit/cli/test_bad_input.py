"""What people get wrong: one sentence, the right exit code, no traceback."""

from __future__ import annotations

from functools import partial

import pytest

from skyhaul.__main__ import main
from skyhaul.retry import RetryPolicy

POLYGON_OPEN = "POLYGON((7 44, 8 44, 8 45, 7 45))"
POLYGON_CROSSED = "POLYGON((7 44, 8 45, 8 44, 7 45, 7 44))"


@pytest.fixture
def skyhaul(monkeypatch, capfd, tmp_path):
    """Run a command line in an empty folder without settings or credentials; gives exit code, stdout, stderr."""
    for name in (
        "CDSE_USERNAME",
        "CDSE_PASSWORD",
        "CDSE_S3_ACCESS_KEY",
        "CDSE_S3_SECRET_KEY",
        "AWS_ACCESS_KEY_ID",
        "SKYHAUL_DEBUG",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["skyhaul", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return ended.value.code, out, err

    return run


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--start", "01/04/2024"],
            "--start: '01/04/2024' is not a date written year-month-day: did you mean 2024-04-01 or 2024-01-04?",
        ),
        (
            ["--start", "2024-09-30", "--end", "2024-04-01"],
            "--end 2024-04-01 is not after --start 2024-09-30: are they swapped?",
        ),
        (["--start", "2024-02-30"], "--start: '2024-02-30' is not a date"),
        (["--point", "31.6,134.6"], "--point: 134.6 is no latitude; longitude comes first: did you mean 134.6,31.6?"),
        (["--bbox", "44,97,46,112"], "--bbox: 97 is no latitude; longitude comes first: did you mean 97,44,112,46?"),
        (["--bbox", "7,46,12,44"], "--bbox: south, 46, is not below north, 44; the order is west,south,east,north"),
        (
            ["--aoi", POLYGON_OPEN],
            "--aoi: a ring of the polygon is not closed: its first position, 7 44, has to be repeated at its end",
        ),
        (["--aoi", POLYGON_CROSSED], "--aoi: the polygon crosses itself near 7.5 44.5"),
        (["--aoi", "nowhere.geojson"], "--aoi: there is no file nowhere.geojson"),
        (["--collection", "Sentinel2"], "--collection: 'Sentinel2' is unknown; did you mean SENTINEL-2?"),
        (["--provider", "scihub"], "--provider: scihub was closed in October 2023"),
        (["--cloud-max", "120"], "--cloud-max: 120 is not between 0 and 100"),
        (["--where", "cloudcover<=20"], "--where: the attribute 'cloudcover' is unknown; did you mean cloudCover?"),
        ([], "nothing restricts the query: give at least one of --collection"),
        (["--name", "*"], "nothing restricts the query: give at least one of --collection"),
        (["--format", "shapefile"], "Invalid value for '--format'"),
        (["--cloud-maximum", "20"], "No such option: --cloud-maximum"),
        (["--tile"], "Option '--tile' requires an argument"),
        (["31TCL"], "Got unexpected extra argument"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
@pytest.mark.parametrize("command", ["search", "plan", "download"])
def test_a_query_that_cannot_be_asked(skyhaul, command, arguments, sentence):
    if command != "search" and "--format" in arguments:
        arguments, sentence = ["--format", "x"], "No such option: --format"
    code, out, err = skyhaul(command, *(["--into", "x"] if command == "download" else []), *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"skyhaul: {sentence}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tile", "31TCL"], "no destination: say where to with --into DIR"),
        (
            ["--tile", "31TCL", "--into", "x", "--bands", "NIR"],
            "--bands: 'NIR' is not a band: Sentinel-2 has B01 to B12",
        ),
        (
            ["--tile", "31TCL", "--into", "x", "--layout", "{orbit}/{name}"],
            "--layout has no field 'orbit'; there are name, id",
        ),
        (
            ["--tile", "31TCL", "--into", "x", "--via", "torrent"],
            "--via: 'torrent' is unknown; known are auto, s3, http",
        ),
        (["--into", "x", "--from", "none.jsonl"], "there is no file none.jsonl"),
        (
            ["--into", "x", "--from", "list.txt", "--tile", "31TCL"],
            "--from takes its products from list.txt: --tile has no place beside it",
        ),
        (
            ["--tile", "31TCL", "--into", "x", "--on-product", "gdalinfo '{path}"],
            '--on-product "gdalinfo \'{path}" is not a command',
        ),
    ],
)
def test_a_download_that_cannot_be_begun(skyhaul, monkeypatch, arguments, sentence):
    monkeypatch.setenv("CDSE_USERNAME", "alice")
    monkeypatch.setenv("CDSE_PASSWORD", "secret")
    code, out, err = skyhaul("download", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"skyhaul: {sentence}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("variables", "arguments", "sentence"),
    [
        (
            {},
            [],
            "set CDSE_USERNAME and CDSE_PASSWORD to download over HTTP; accounts are made at https://dataspace.copernicus.eu",
        ),
        ({"CDSE_USERNAME": "alice"}, [], "CDSE_USERNAME is set but CDSE_PASSWORD is not: set it"),
        (
            {"CDSE_USERNAME": "alice", "CDSE_PASSWORD": "hunter2"},
            ["--via", "s3"],
            "set CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY to download over S3; keys are made at https://eodata-s3keysmanager.",
        ),
        (
            {"CDSE_USERNAME": "alice", "CDSE_PASSWORD": "hunter2"},
            ["--bands", "B04"],
            "set CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY",
        ),
        (
            {"CDSE_S3_ACCESS_KEY": "key"},
            ["--via", "s3"],
            "CDSE_S3_ACCESS_KEY is set but CDSE_S3_SECRET_KEY is not: set it",
        ),
    ],
)
def test_missing_credentials_name_the_variable_and_where_to_get_them(
    skyhaul, monkeypatch, variables, arguments, sentence
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code, out, err = skyhaul("download", "--tile", "31TCL", "--into", "x", *arguments)
    assert (code, out) == (5, "")
    assert err.startswith(f"skyhaul: {sentence}")
    assert err.count("\n") == 1
    assert "hunter2" not in err


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "SKYHAUL_PROVIDERS__CDSE__CATALOGUE_URL",
            "https://scihub.copernicus.eu/dhus",
            "replaced by the Copernicus Data Space",
        ),
        (
            "SKYHAUL_PROVIDERS__CDSE__CATALOGUE_URL",
            "https://catalogue.dataspace.copernicus.eu/resto",
            "replaced by https://catalogue.",
        ),
        (
            "SKYHAUL_PROVIDERS__CDSE__CATALOG_URL",
            "https://x.example",
            "did you mean SKYHAUL_PROVIDERS__CDSE__CATALOGUE_URL?",
        ),
        ("SKYHAUL_CLOUDMAX", "20", "did you mean SKYHAUL_CLOUD_MAX?"),
    ],
)
def test_an_environment_that_cannot_be_used(skyhaul, monkeypatch, name, value, sentence):
    monkeypatch.setenv(name, value)
    code, _, err = skyhaul("search", "--tile", "31TCL")
    assert code == 2
    assert err.startswith("skyhaul: ")
    assert sentence in err
    assert err.count("\n") == 1


def test_a_host_that_cannot_be_reached_is_named_with_what_to_try(skyhaul, monkeypatch, free_tcp_port):
    monkeypatch.setenv("SKYHAUL_PROVIDERS__CDSE__CATALOGUE_URL", f"http://127.0.0.1:{free_tcp_port}/odata/v1")
    monkeypatch.setattr("skyhaul.compose.RetryPolicy", partial(RetryPolicy, attempts_unknown=1))
    code, _, err = skyhaul("search", "--tile", "31TCL", "--format", "names")
    last = err.splitlines()[-1]
    assert code == 4
    assert f"127.0.0.1:{free_tcp_port} cannot be reached" in last
    assert "check the network, the proxy variables and the provider's URLs" in last
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[query]\ncloudmax = 20", "[query] has no key 'cloudmax'; did you mean cloud_max"),
        ("[query\n", "job.toml is not valid TOML"),
        ("[query]\nstart = 'spring'\n", "start in job.toml: 'spring' is not a date"),
        ("[query]\ntile = '31TCL'\n", "no destination: say where to with --into DIR"),
    ],
)
def test_a_job_file_that_cannot_be_run(skyhaul, tmp_path, text, sentence):
    (tmp_path / "job.toml").write_text(text)
    code, out, err = skyhaul("run", "job.toml")
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["run", "none.toml"], 2, "there is no file none.toml"),
        (["run"], 2, "Missing argument 'JOB.toml'"),
        (["status", "."], 6, "no journal here"),
        (["auth", "check", "nasa"], 2, "--provider: the provider 'nasa' is unknown; known are cdse"),
        (["simulate", "--scenario", "sunny"], 2, "sunny"),
        (["demo", "--faults", "--fast"], 2, "--faults and --fast exclude each other"),
        (["demo", "--products", "0"], 2, "Invalid value for '--products'"),
        (["fetch"], 2, "No such command 'fetch'"),
    ],
)
def test_other_commands(skyhaul, arguments, code, sentence):
    found, out, err = skyhaul(*arguments)
    assert (found, out) == (code, "")
    assert sentence in err
    assert err.startswith("skyhaul: ")
    assert err.count("\n") == 1
