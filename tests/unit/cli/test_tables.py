"""Tables of ``select`` and ``revisit`` in files: what is not said is looked for there."""

from __future__ import annotations

import io
import json

import pytest

from skyhaul.__main__ import main

SQUARE = {"type": "Polygon", "coordinates": [[[11, 44], [12, 44], [12, 45], [11, 45], [11, 44]]]}


def line(day):
    west = 10 + day / 10
    return {
        "name": f"S2A_MSIL2A_202407{day:02d}T101031_N0510_R022_T32TQR_20240801T000000.SAFE",
        "id": str(day),
        "start": f"2024-07-{day:02d}T10:10:31Z",
        "online": day % 2 == 0,
        "footprint": {
            "type": "Polygon",
            "coordinates": [[[west, 44], [west + 1, 44], [west + 1, 45], [west, 45], [west, 44]]],
        },
        "attributes": {"cloudCover": day * 10.0},
    }


@pytest.fixture
def skyhaul(monkeypatch, capfd, tmp_path):
    """Run a command line in a folder with a saved result; gives exit code, the days left (or stdout), stderr."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "skyhaul").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "found.jsonl").write_text("".join(json.dumps(line(day)) + "\n" for day in range(1, 11)))

    def run(*arguments, **tables):
        for name, text in tables.items():
            place = {"job": "job.toml", "user": "config/skyhaul/config.toml", "env": ".env"}[name]
            (tmp_path / place).write_text(text)
        monkeypatch.setattr("sys.argv", ["skyhaul", *map(str, arguments)])
        monkeypatch.setattr("sys.stdin", io.StringIO())
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return ended.value.code, out, err

    return run


def days(out):
    return [int(each["id"]) for each in map(json.loads, out.splitlines())]


SELECT = ("select", "found.jsonl", "--json")


def test_every_kind_of_option_has_its_key(skyhaul, tmp_path):
    (tmp_path / "area.geojson").write_text(json.dumps(SQUARE))
    table = """
        [select]
        start = 2024-07-02
        end = "2024-07-09"
        dates = "overlap"
        aoi = "area.geojson"
        overlap = 30
        where = ["cloudCover<=80", "cloudCover>20"]
        online = true
        per_tile = 2
        prefer = "-cloudCover"
    """
    code, out, err = skyhaul(*SELECT, "--job", "job.toml", job=table)
    assert (code, sorted(days(out))) == (0, [6, 8]), err
    assert "--start 2024-07-02" in err
    # What is said outweighs the file.
    assert days(skyhaul(*SELECT, "--job", "job.toml", "--per-tile", "1", "--where", "cloudCover<=60")[1]) == [6]


def test_a_table_of_one_condition_and_a_list_of_numbers(skyhaul):
    table = '[select]\nbbox = [11.0, 44.0, 12.0, 45.0]\nwhere = "cloudCover<30"\n'
    assert days(skyhaul(*SELECT, "--job", "job.toml", job=table)[1]) == [1, 2]


def test_places_come_in_their_order(skyhaul, monkeypatch):
    tables = {
        "user": '[select]\nkeep = 1\nnearest = "2024-07-03"\n[download]\nconnections = 2\n',
        "job": "[select]\nkeep = 2\n[query]\nprovider = 'cdse'\n",
    }
    assert len(days(skyhaul(*SELECT, **tables)[1])) == 1
    assert len(days(skyhaul(*SELECT, "--job", "job.toml")[1])) == 2
    assert len(days(skyhaul(*SELECT, "--job", "job.toml", env="SKYHAUL_SELECT_KEEP=3\n")[1])) == 3
    monkeypatch.setenv("SKYHAUL_SELECT_KEEP", "4")
    assert len(days(skyhaul(*SELECT, "--job", "job.toml")[1])) == 4
    assert len(days(skyhaul(*SELECT, "--job", "job.toml", "--keep", "5")[1])) == 5


def test_an_area_replaces_any_area_of_a_lesser_place(skyhaul, monkeypatch):
    tables = {"user": '[select]\npoint = "10.15,44.5"\n', "job": '[select]\nbbox = "11.9,44,12,45"\n'}
    assert days(skyhaul(*SELECT, **tables)[1]) == [1]
    assert days(skyhaul(*SELECT, "--job", "job.toml")[1]) == [10]
    assert days(skyhaul(*SELECT, "--job", "job.toml", "--point", "10.25,44.5")[1]) == [1, 2]
    monkeypatch.setenv("SKYHAUL_SELECT_POINT", "10.15,44.5")
    assert days(skyhaul(*SELECT, "--job", "job.toml")[1]) == [1]
    code, _, err = skyhaul(*SELECT, "--bbox", "11,44,12,45")
    assert (code, "--bbox and --point exclude each other" in err) == (2, True)


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        ("[select]\nclouds = 20\n", "job.toml: [select] has no key 'clouds'"),
        ("[select]\noverlaps = 20\n", "did you mean overlap"),
        ("[select]\njob = 'x'\n", "has no key 'job'"),
        ("[revisit]\ngroup_by = 'tile'\n", "job.toml has no table [select]"),
        ("select = 1\n", "job.toml: select is a section: write [select]"),
        ("[select]\noverlap = 'much'\n", "--overlap"),
        ("[select\n", "not valid TOML"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(skyhaul, job, sentence):
    code, out, err = skyhaul(*SELECT, "--job", "job.toml", job=job)
    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err


def test_a_file_that_is_not_there(skyhaul):
    code, _, err = skyhaul(*SELECT, "--job", "absent.toml")
    assert (code, "there is no file absent.toml" in err) == (2, True)


def test_revisit_has_a_table_too(skyhaul, monkeypatch):
    table = '[revisit]\ngroup_by = "online"\n'
    lines = [
        json.loads(each)
        for each in skyhaul("revisit", "found.jsonl", "--json", "--job", "job.toml", job=table)[1].splitlines()
    ]
    assert [each["online"] for each in lines] == [False, True]
    monkeypatch.setenv("SKYHAUL_REVISIT_GROUP_BY", "name")
    assert len(skyhaul("revisit", "found.jsonl", "--json", "--job", "job.toml")[1].splitlines()) == 10


def test_a_job_that_is_run_may_not_seem_to_choose(skyhaul):
    job = '[query]\ncollection = "SENTINEL-2"\n[download]\ninto = "x"\n[select]\nonline = true\n'
    code, _, err = skyhaul("run", "job.toml", job=job)
    assert code == 2
    assert "[select] is for 'skyhaul select --job', and changes nothing here" in err


def test_in_the_users_own_file_it_bothers_nobody(skyhaul):
    code, _, err = skyhaul("run", "job.toml", user="[select]\nonline = true\n", job="[query]\nwhatever = 1\n")
    assert code == 2
    assert "[query] has no key 'whatever'" in err
