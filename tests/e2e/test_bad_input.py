"""What people get wrong, as they meet it: one sentence on stderr, the right exit code, no traceback."""

from __future__ import annotations

import json

import pytest

from support.served import Skyhaul

TILE = ("--collection", "SENTINEL-2", "--tile", "32TQR", "--limit", "2")
SECRETS = ("CDSE_USERNAME", "CDSE_PASSWORD", "CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY")
ACCOUNTS, KEYS = "https://dataspace.copernicus.eu", "https://eodata-s3keysmanager.dataspace.copernicus.eu/"
NOWHERE = "http://127.0.0.1:9/odata/v1"
"""The port that throws everything away: nobody listens there."""


def polygon(*ring: tuple[float, float]) -> str:
    return json.dumps({"type": "Polygon", "coordinates": [ring]})


AREAS = {
    "unclosed.geojson": polygon((10, 44), (12, 44), (12, 46), (10, 46)),
    "crossing.geojson": polygon((10, 44), (12, 46), (12, 44), (10, 46), (10, 44)),
    "swapped.geojson": polygon((44, 110), (44, 112), (46, 112), (46, 110), (44, 110)),
    "empty.geojson": json.dumps({"type": "FeatureCollection", "features": []}),
    "text.geojson": "a region",
}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--start", "2024-02-31"], "--start: '2024-02-31' is not a date"),
        (["--start", "2024-05-01", "--end", "2024-04-01"], "--end 2024-04-01 is not after --start 2024-05-01: are they swapped?"),
        (["--point", "31.6,134.6"], "--point: 134.6 is no latitude; longitude comes first: did you mean 134.6,31.6?"),
        (["--bbox", "31.6,134.6,32,135"], "--bbox: 134.6 is no latitude; longitude comes first"),
        (["--aoi", "unclosed.geojson"], "--aoi: a ring of the geometry is not closed"),
        (["--aoi", "crossing.geojson"], "--aoi: the polygon crosses itself near 11 45"),
        (["--aoi", "swapped.geojson"], "--aoi: 110 is no latitude"),
        (["--aoi", "empty.geojson"], "--aoi: "),
        (["--aoi", "text.geojson"], "--aoi: text.geojson is neither GeoJSON, WKT nor KML"),
        (["--collection", "SENTINEL_2A"], "--collection: 'SENTINEL_2A' is unknown; did you mean SENTINEL-2"),
        (["--format", "shapefile"], "Invalid value for '--format'"),
    ],
    ids=lambda value: " ".join(value)[:32] if isinstance(value, list) else "",
)  # fmt: skip
def test_a_query_that_cannot_be_asked(archive, arguments, said, tmp_path):
    skyhaul = Skyhaul(tmp_path, archive.environment)  # as a user starts it
    for name, text in AREAS.items():
        (skyhaul.folder / name).write_text(text)
    ran = skyhaul("search", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.complaint.startswith(said)
    assert ran.err.count("\n") == 1
    assert archive.asked("") == 0


@pytest.mark.parametrize(
    ("via", "without", "said"),
    [
        ("auto", SECRETS, ["set CDSE_USERNAME and CDSE_PASSWORD", ACCOUNTS]),
        ("s3", SECRETS, ["set CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY", KEYS]),
        ("http", ["CDSE_PASSWORD"], ["CDSE_USERNAME is set but CDSE_PASSWORD is not", ACCOUNTS]),
    ],
)
def test_missing_credentials_name_the_variable_and_where_to_get_them(archive, skyhaul, via, without, said):
    ran = skyhaul("download", *TILE, "--into", "archive", "--via", via, without=without)
    assert (ran.code, ran.out) == (5, "")
    assert all(part in ran.complaint for part in said)
    assert archive.asked("") == 0


@pytest.mark.parametrize(
    ("via", "name", "others"),
    [("http", "CDSE_PASSWORD", "CDSE_USERNAME"), ("s3", "CDSE_S3_SECRET_KEY", "CDSE_S3_ACCESS_KEY")],
)
def test_wrong_credentials_stop_the_run_and_are_not_repeated(archive, skyhaul, via, name, others):
    wrong = "correct-horse-battery-staple"
    ran = skyhaul(
        "download", *TILE, "--into", "archive", "--via", via, "--json", "--events", "events.jsonl", **{name: wrong}
    )
    assert ran.code == 5
    assert name in ran.err
    assert others in ran.err
    assert "Traceback" not in ran.err
    assert all(line["state"] == "failed" for line in ran.lines)
    written = b"".join(path.read_bytes() for path in skyhaul.folder.rglob("*") if path.is_file())
    assert wrong not in ran.out + ran.err
    assert wrong.encode() not in written
    assert archive.asked("token") <= 1  # an account is locked by those who try again and again


@pytest.mark.parametrize("key", ["CATALOGUE_URL", "TOKEN_URL"])
def test_a_host_that_does_not_answer_is_named_with_what_to_try(archive, skyhaul, key):
    ran = skyhaul(
        "download", *TILE, "--into", "archive", "--via", "http", **{f"SKYHAUL_PROVIDERS__CDSE__{key}": NOWHERE}
    )
    assert ran.code == (4 if key == "CATALOGUE_URL" else 1)
    assert "Traceback" not in ran.err
    assert "127.0.0.1:9 cannot be reached" in ran.err
    assert "check the network, the proxy variables and the provider's URLs" in ran.err


def test_a_host_that_is_closed_for_good_is_named_with_what_replaced_it(archive, skyhaul):
    ran = skyhaul("search", *TILE, SKYHAUL_PROVIDERS__CDSE__CATALOGUE_URL="https://scihub.copernicus.eu/dhus")
    assert (ran.code, ran.out) == (2, "")
    assert "scihub.copernicus.eu was closed in October 2023 and replaced by the Copernicus Data Space" in ran.complaint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[query]\nclout_max = 20", "job.toml: [query] has no key 'clout_max'; did you mean cloud_max"),
        ("[download]\ninto = 'a'\nvia = 'ftp'", "'ftp' is unknown; known are auto, s3, http"),
        ("[queri]\n", "job.toml"),
        ("[query", "job.toml is not valid TOML"),
        (None, "there is no file job.toml"),
    ],
)
def test_a_job_that_cannot_be_run(archive, skyhaul, text, said):
    if text is not None:
        (skyhaul.folder / "job.toml").write_text(text)
    ran = skyhaul("run", "job.toml")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.complaint
    assert archive.asked("") == 0


def test_the_environment_is_checked_too(archive, skyhaul):
    ran = skyhaul("search", *TILE, SKYHAUL_PROVIDERS__CDSE__CATALOGUE_URI="x")
    assert ran.code == 2
    assert "did you mean SKYHAUL_PROVIDERS__CDSE__CATALOGUE_URL?" in ran.complaint


def test_a_folder_that_was_never_downloaded_into(archive, skyhaul):
    ran = skyhaul("status", "home")
    assert ran.code == 6
    assert ran.complaint.startswith("home: no journal here")


@pytest.mark.parametrize("arguments", [["serch"], ["search", "--colection", "X"], ["search", "extra"], ["auth"], []])
def test_commands_that_do_not_exist(archive, skyhaul, arguments):
    ran = skyhaul(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err
    assert "--help" in ran.err
