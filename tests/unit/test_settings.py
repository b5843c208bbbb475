from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from skyhaul import settings
from skyhaul.errors import SettingsError
from skyhaul.keys import DOWNLOAD, KEYS, QUERY
from skyhaul.model import Condition, Query, TimeInterval
from skyhaul.settings import PROVIDERS, DownloadSettings

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.fixture
def load(tmp_path):
    return partial(settings.load, environ={}, folder=tmp_path, user_file=tmp_path / "absent.toml", now=NOW)


@pytest.fixture
def job(tmp_path):
    def write(text, name="job.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refusal(load, *args, **kwargs):
    with pytest.raises(SettingsError) as error:
        load(*args, **kwargs)
    text = str(error.value)
    assert "\n" not in text
    assert error.value.exit_code == 2
    return text


def test_nothing_said_is_the_default(load):
    found = load()
    assert found.query == Query()
    assert found.download is None
    assert found.providers == {**PROVIDERS}
    assert found.provider.connections == 4


def test_every_query_option_finds_its_way(load):
    found = load(
        {
            "collection": "sentinel-2",
            "product_type": ["S2MSI2A", "S2MSI1C"],
            "start": "2024-04-01",
            "end": "2024-09-30",
            "published_start": "30d",
            "point": "11.35,44.49",
            "tile": ["T31TCL,31TDL", "31TCL"],
            "cloud_max": "20",
            "cloud_min": "0",
            "orbit_direction": "descending",
            "relative_orbit": "22",
            "platform": "S2A",
            "polarisation": "vv,vh",
            "mode": "IW",
            "timeliness": "NT",
            "name": ["S2A_*"],
            "id": ["A5B6CF23-37D4-4CAA-B41C-0EBB7B786D4F"],
            "where": ["cloudCover<=20; relativeOrbitNumber=22"],
            "online": True,
            "latest_version": True,
            "order_by": "-published",
            "limit": "100",
        }
    ).query
    assert found == Query(
        collection="SENTINEL-2",
        product_types=("S2MSI2A", "S2MSI1C"),
        sensing=TimeInterval(start=datetime(2024, 4, 1, tzinfo=UTC), end=datetime(2024, 10, 1, tzinfo=UTC)),
        published=TimeInterval(start=datetime(2026, 5, 16, 12, tzinfo=UTC)),
        area="POINT (11.35 44.49)",
        area_label="point 11.35,44.49",
        tiles=("31TCL", "31TDL"),
        cloud_min=0.0,
        cloud_max=20.0,
        orbit_direction="DESCENDING",
        relative_orbit=22,
        platform="S2A",
        polarisation="VV&VH",
        mode="IW",
        timeliness="NT",
        names=("S2A_*",),
        ids=("a5b6cf23-37d4-4caa-b41c-0ebb7b786d4f",),
        where=(
            Condition(attribute="cloudCover", operator="le", value=20.0),
            Condition(attribute="relativeOrbitNumber", operator="eq", value=22),
        ),
        online=True,
        latest_version=True,
        order_by="-published",
        limit=100,
    )


def test_every_download_option_finds_its_way(load):
    found = load(
        {
            "into": "archive",
            "via": "S3",
            "only": ["*.jp2"],
            "exclude": ["*TCI*"],
            "bands": ["B04,B08"],
            "resolution": "10",
            "layout": "{tile}/{start:%Y}/{name}",
            "extract": False,
            "keep_archive": True,
            "connections": "3",
            "max_rate": "50MB",
            "require_verified": True,
            "fail_fast": True,
            "max_bytes": "1.5GiB",
            "max_time": "2h",
            "dry_run": True,
            "events": "events.jsonl",
            "dashboard": "off",
            "on_product": "gdalinfo {path}",
        }
    ).download
    assert found == DownloadSettings(
        into=Path("archive"),
        via="s3",
        only=("*.jp2",),
        exclude=("*TCI*",),
        bands=("B04", "B08"),
        resolution=10,
        layout="{tile}/{start:%Y}/{name}",
        extract=False,
        keep_archive=True,
        connections=3,
        max_rate=50_000_000,
        require_verified=True,
        fail_fast=True,
        max_bytes=1_610_612_736,
        max_time_s=7200.0,
        dry_run=True,
        events=Path("events.jsonl"),
        dashboard="off",
        on_product="gdalinfo {path}",
    )


def test_the_table_of_keys_misses_nothing(load):
    assert {key.name for key in DOWNLOAD} == {name.removesuffix("_s") for name in DownloadSettings.__dataclass_fields__}
    assert len({key.name for key in (*QUERY, *DOWNLOAD)}) == len(KEYS)
    assert all(key.help.endswith(".") for key in KEYS.values())


def test_bands_become_globs_and_only_adds_to_them():
    wish = DownloadSettings(
        into=Path(), bands=("B04", "B08"), resolution=10, only=("INSPIRE.xml",), exclude=("*.png",), via="s3"
    ).wish()
    assert wish.via == "s3"
    assert {"*_B04_10m.jp2", "*_B08_10m.jp2", "*MTD*.xml", "*manifest.safe", "INSPIRE.xml"} <= set(wish.only)
    assert wish.exclude == ("*.png",)
    assert DownloadSettings(into=Path()).wish().whole


def test_the_more_important_place_wins(load, job, tmp_path):
    (tmp_path / ".env").write_text("SKYHAUL_CLOUD_MAX=40\nSKYHAUL_LIMIT=4\nSKYHAUL_MODE=m4\nSKYHAUL_TILE=31TCL,31TDL\n")
    path = job(
        '[query]\ncloud_max = 50\nlimit = 5\nmode = "m5"\nplatform = "p5"\ntile = ["32TCL"]\n[download]\ninto = "five"\n'
    )
    user = job('[query]\ncloud_max = 60\nlimit = 6\nmode = "m6"\nplatform = "p6"\ntimeliness = "t6"\n', "config.toml")
    found = load(
        {"cloud_max": "20"},
        environ={"SKYHAUL_CLOUD_MAX": "30", "SKYHAUL_LIMIT": "3", "SKYHAUL_MODE": ""},
        job=path,
        user_file=user,
    )
    query = found.query
    assert (query.cloud_max, query.limit, query.mode, query.platform, query.timeliness) == (20, 3, "m4", "p5", "t6")
    assert query.tiles == ("31TCL", "31TDL")
    assert found.download == DownloadSettings(into=Path("five"))


def test_options_left_out_do_not_hide_the_job_file(load, job):
    path = job('[query]\ntile = ["31TCL"]\nonline = true\n')
    assert load({"tile": [], "online": None}, job=path).query.tiles == ("31TCL",)
    assert load({"tile": [], "online": None}, job=path).query.online is True
    assert load({"online": False}, job=path).query.online is None


def test_an_area_given_higher_up_replaces_any_area_below(load, job):
    path = job('[query]\naoi = "region.geojson"\n')
    assert load({"point": "7,44"}, job=path).query.area == "POINT (7 44)"
    assert load(job=path, environ={"SKYHAUL_BBOX": "7,44,8,45"}).query.area_label == "bbox 7,44,8,45"


def test_a_file_of_an_area_lies_beside_the_job_file(load, job, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "region.wkt").write_text("POINT(7 44)")
    path = job('[query]\naoi = "region.wkt"\n[download]\ninto = "archive"\n', "sub/job.toml")
    found = load(job=path)
    assert found.query.area == "POINT (7 44)"
    assert found.query.area_label == "region.wkt"
    assert found.download is not None
    assert found.download.into == Path("archive")


def test_toml_dates_and_numbers_are_taken_as_they_are(load, job):
    path = job(
        "[query]\nstart = 2024-04-01\nend = 2024-04-02T06:00:00+02:00\nbbox = [7, 44.5, 12, 46]\ncloud_max = 20.5\n"
    )
    query = load(job=path).query
    assert query.sensing == TimeInterval(
        start=datetime(2024, 4, 1, tzinfo=UTC), end=datetime(2024, 4, 2, 4, tzinfo=UTC)
    )
    assert query.area == "POLYGON ((7 44.5, 12 44.5, 12 46, 7 46, 7 44.5))"
    assert query.cloud_max == 20.5


def test_every_endpoint_and_limit_can_be_set(load, job):
    path = job(
        '[providers.cdse]\ncatalogue_url = "https://mirror.example/odata/v1/"\nconnections = 20\nbytes_per_30_days = "5TB"\n'
    )
    found = load(job=path, environ={"SKYHAUL_PROVIDERS__CDSE__S3_URL": "http://127.0.0.1:9000"}).provider
    assert found == replace(
        PROVIDERS["cdse"],
        catalogue_url="https://mirror.example/odata/v1",
        s3_url="http://127.0.0.1:9000",
        connections=20,
        bytes_per_30_days=5_000_000_000_000,
    )


def test_an_archive_that_is_like_another_has_its_settings_until_it_has_its_own(load, job):
    path = job('[providers.cdse-stac]\nstac_url = "https://mirror.example/stac"\nconnections = 2\n')
    environ = {"SKYHAUL_PROVIDERS__CDSE__S3_URL": "http://127.0.0.1:9000", "SKYHAUL_PROVIDERS__CDSE__CONNECTIONS": "9"}
    found = load({"provider": "cdse-stac"}, job=path, environ=environ)
    assert found.provider == replace(
        PROVIDERS["cdse"], stac_url="https://mirror.example/stac", s3_url="http://127.0.0.1:9000", connections=2
    )
    assert found.providers["cdse"].connections == 9


def test_ids_are_what_the_archive_has_for_ids(load):
    assert load({"provider": "earth-search", "id": ["S2B_32TQR_20240402_0_L2A"]}).query.ids == (
        "S2B_32TQR_20240402_0_L2A",
    )
    assert "--id: 'S2B_32TQR' is not a product id" in refusal(load, {"id": ["S2B_32TQR"]})


def test_a_hyphen_in_a_name_is_an_underscore_in_its_variable(load):
    environ = {"SKYHAUL_PROVIDERS__EARTH_SEARCH__CONNECTIONS": "3"}
    assert load({"provider": "earth-search"}, environ=environ).provider.connections == 3


def test_an_archive_by_its_address(load, job):
    given = load({"provider": "stac", "url": "https://stac.example/v1/", "collection": "Landsat-C2"})
    assert given.provider.url == "https://stac.example/v1"
    assert given.query.collection == "Landsat-C2", "what collections there are only the archive knows"
    assert (
        load({"provider": "stac"}, job=job('[providers.stac]\nurl = "https://b.example"\n')).provider.url
        == "https://b.example"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"provider": "stac"}, "--provider stac needs an address: give --url, or url in [providers.stac]"),
        (
            {"url": "https://stac.example"},
            "--url https://stac.example: cdse has its own address; --url goes with --provider ",
        ),
        (
            {"provider": "stac", "url": "https://scihub.copernicus.eu/dhus"},
            "scihub.copernicus.eu was closed in October 2023",
        ),
        (
            {"provider": "scihub"},
            "scihub was closed in October 2023 and replaced by the Copernicus Data Space (--provider cdse)",
        ),
        ({"provider": "PEPS"}, "PEPS was retired and replaced by GEODES (--provider geodes)"),
        ({"provider": "https://apihub.copernicus.eu/apihub"}, "apihub.copernicus.eu was closed in October 2023"),
        (
            {"provider": "finder.creodias.eu"},
            "finder.creodias.eu was retired and replaced by https://datahub.creodias.eu",
        ),
    ],
)
def test_an_archive_that_cannot_be_asked(load, options, sentence):
    assert sentence in refusal(load, options)


def test_a_destination_for_who_names_none(load):
    found = load(into=Path("elsewhere"))
    assert found.download == DownloadSettings(into=Path("elsewhere"))


def test_one_day_is_a_span_and_an_open_end_too(load):
    day = load({"start": "2024-04-01", "end": "2024-04-01"}).query.sensing
    assert str(day) == "2024-04-01T00:00:00Z to 2024-04-02T00:00:00Z"
    assert load({"start": "2024-04-01"}).query.sensing.end is None
    assert load({"end": "2026-12-31"}).query.sensing.end == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"start": "01/04/2024"},
            "--start: '01/04/2024' is not a date written year-month-day: did you mean 2024-04-01 or 2024-01-04?",
        ),
        (
            {"start": "2024-09-30", "end": "2024-04-01"},
            "--end 2024-04-01 is not after --start 2024-09-30: are they swapped?",
        ),
        ({"start": "2026-08-01"}, "--start 2026-08-01 is in the future: nothing can have been acquired since"),
        (
            {"published_start": "2026-08-01"},
            "--published-start 2026-08-01 is in the future: nothing can have been acquired since",
        ),
        ({"end": "2204-09-30"}, "--end: 2204-09-30 is more than a year ahead: is the year right?"),
        ({"end": "1204-09-30"}, "--end: 1204-09-30 is before 1972, when the first of these missions was launched"),
        ({"collection": "Sentinel2A"}, "--collection: 'Sentinel2A' is unknown; did you mean SENTINEL-2"),
        ({"collection": "SENTINEL_2"}, "--collection: 'SENTINEL_2' is unknown; did you mean SENTINEL-2?"),
        ({"provider": "cdsee"}, "--provider: the provider 'cdsee' is unknown; did you mean cdse"),
        ({"cloud_max": "120"}, "--cloud-max: 120 is not between 0 and 100"),
        ({"cloud_max": "few"}, "--cloud-max: 'few' is not a number"),
        ({"cloud_max": "20", "cloud_min": "30"}, "cloud_min 30 is above cloud_max 20: nothing lies between them"),
        (
            {"cloud_max": "20", "collection": "SENTINEL-1"},
            "SENTINEL-1 knows no cloud cover: leave cloud_min and cloud_max out",
        ),
        ({"point": "31.6,134.6"}, "--point: 134.6 is no latitude; longitude comes first: did you mean 134.6,31.6?"),
        ({"bbox": "1,2,3,4", "point": "1,2"}, "--bbox and --point exclude each other: give one of them"),
        ({"orbit_direction": "up"}, "--orbit-direction: 'up' is unknown; known are ASCENDING, DESCENDING"),
        ({"limit": "0"}, "--limit: 0 is not a whole number of 1 or more"),
        ({"id": ["S2A_MSIL2A"]}, "--id: 'S2A_MSIL2A' is not a product id such as a5b6cf23-37d4-4caa-b41c-0ebb7b786d4f"),
        ({"order_by": "clouds"}, "--order-by: 'clouds' is unknown; known are start, -start"),
        ({"where": ["cloudCover"]}, "--where: 'cloudCover' is not a condition"),
        ({"into": "x", "via": "ftp"}, "--via: 'ftp' is unknown; known are auto, s3, http"),
        (
            {"into": "x", "max_rate": "fast"},
            "--max-rate: 'fast' is not a size: write 50MB, 1.5GiB or a number of bytes",
        ),
        ({"into": "x", "max_time": "soon"}, "--max-time: 'soon' is not a span of time"),
        ({"into": "x", "bands": ["NIR"]}, "--bands: 'NIR' is not a band"),
        ({"into": "x", "bands": ["SCL"], "resolution": "10"}, "SCL is not made at 10 m but at 20 m and 60 m"),
        ({"into": "x", "layout": "{orbit}/{name}"}, "--layout has no field 'orbit'"),
        ({"into": ""}, "--into: the value is empty"),
        ({"clouds": 3}, "there is no option 'clouds'; "),
    ],
)
def test_what_cannot_be_used_is_one_sentence(load, options, sentence):
    assert refusal(load, options).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[query]\ncloudmax = 20", "[query] has no key 'cloudmax'; did you mean cloud_max"),
        ("[query]\ninto = 'x'", "[query] has no key 'into'; it belongs in [download]"),
        ("collection = 'SENTINEL-2'", "there is no section or key 'collection' at the top; it belongs in [query]"),
        ("[querry]", "there is no section or key 'querry' at the top; did you mean query?"),
        ("query = 5", "query is a section: write [query]"),
        (
            "[providers.cdse]\ncatalog_url = 'https://x'",
            "[providers.cdse] has no key 'catalog_url'; did you mean catalogue_url",
        ),
        ("[providers.noaa]", "there is no archive 'noaa'; did you mean noa"),
        ("[providers]\ncdse = 5", "providers.cdse is a section: write [providers.cdse]"),
        ("[query]\ncollection = SENTINEL-2", "is not valid TOML"),
        ("[query]\ncollection = 5", "collection in {job}: 5 is not text"),
        ("[query]\nlimit = 'many'", "limit in {job}: 'many' is not a number"),
        ("[query]\nlatest_version = 'perhaps'", "latest_version in {job}: 'perhaps' is neither true nor false"),
        (
            "[providers.cdse]\ns3_url = 'http://eodata.example'",
            "s3_url in {job}: 'http://eodata.example' would send credentials unprotected",
        ),
        (
            "[providers.cdse]\ncatalogue_url = 'https://scihub.copernicus.eu/dhus'",
            "catalogue_url in {job}: scihub.copernicus.eu was closed in October 2023 and replaced by the Copernicus Data Space",
        ),
    ],
)
def test_a_job_file_is_read_strictly(load, job, text, sentence):
    path = job(text)
    found = refusal(load, job=path)
    assert str(path) in found
    assert sentence.replace("{job}", str(path)) in found


def test_a_file_that_is_not_there_or_is_not_text(load, job, tmp_path):
    assert refusal(load, job=tmp_path / "none.toml") == f"there is no file {tmp_path / 'none.toml'}"
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in refusal(load, job=tmp_path / "bytes.toml")
    assert "cannot be read" in refusal(load, job=tmp_path)


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"SKYHAUL_CLOUDMAX": "20"}, "there is no setting SKYHAUL_CLOUDMAX; did you mean SKYHAUL_CLOUD_MAX?"),
        (
            {"SKYHAUL_PROVIDERS__CDSE__CATALOG_URL": "https://x"},
            "there is no setting SKYHAUL_PROVIDERS__CDSE__CATALOG_URL; did you mean SKYHAUL_PROVIDERS__CDSE__CATALOGUE_URL?",
        ),
        ({"SKYHAUL_PROVIDERS__X__Y": "1"}, "there is no setting SKYHAUL_PROVIDERS__X__Y; see 'skyhaul providers'"),
        ({"SKYHAUL_CLOUD_MAX": "many"}, "SKYHAUL_CLOUD_MAX: 'many' is not a number"),
    ],
)
def test_the_environment_is_read_strictly(load, environ, sentence):
    assert refusal(load, environ=environ).startswith(sentence)


def test_variables_of_others_are_left_alone(load):
    assert load(environ={"SKYHAUL_DEBUG": "1", "SKYHAUL_SHARED_DATA": "/x", "PATH": "/bin"}).query == Query()


def test_a_slip_in_dotenv_names_the_file(load, tmp_path):
    (tmp_path / ".env").write_text("SKYHAUL_LIMITS=3\n")
    assert refusal(load) == f"there is no setting SKYHAUL_LIMITS in {tmp_path / '.env'}; did you mean SKYHAUL_LIMIT?"


def test_the_user_file_is_looked_for_in_the_usual_place(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings.user_file_path().name == "config.toml"
    assert settings.user_file_path().parent.name == "skyhaul"
