"""STAC searches: how they are read and what they find."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from skyhaul.simulate.stac_items import item_id
from skyhaul.simulate.stac_search import ALWAYS, BadSearchError, find, from_query, parse_interval, parse_search
from support.fake_world import DAY, FakeWorld, sentinel_2, sentinel_5p

HOUR = dt.timedelta(hours=1)
WORLD = FakeWorld([*(sentinel_2(index, DAY + index * HOUR) for index in range(8)), sentinel_5p(9)])


def found(**asked: object) -> list[str]:
    """The tile, or the mission, of what a search finds, page after page."""
    names: list[str] = []
    asked = {"limit": 3, **asked}
    while True:
        page = find(WORLD, parse_search(asked))
        assert len(page.products) <= 3
        names += [product.name[41:44] if product.collection == "SENTINEL-2" else "5P" for product in page.products]
        if not page.token:
            return names
        asked["token"] = page.token


def test_everything_newest_first_over_all_pages():
    assert found() == ["TCH", "TCG", "TCF", "TCE", "TCD", "TCC", "TCB", "5P", "TCA"]


def test_products_of_one_instant_are_told_once_each():
    world = FakeWorld([sentinel_2(index) for index in range(8)])
    asked: dict[str, object] = {"limit": 3}
    ids: list[str] = []
    while True:
        page = find(world, parse_search(asked))
        ids += [product.id for product in page.products]
        if not page.token:
            break
        asked["token"] = page.token
    assert sorted(ids) == sorted(product.id for product in world.products)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"collections": ["sentinel-5p-l2-no2-offl"]}, ["5P"]),
        ({"collections": ["SENTINEL-2"]}, []),
        ({"ids": [item_id(WORLD.products[0].name)]}, ["TCA"]),
        ({"datetime": "2024-05-01T15:00:00Z/.."}, ["TCH", "TCG", "TCF"]),
        ({"datetime": "2024-05-01T11:00:00Z"}, ["TCB", "5P"]),  # within the orbit that began at ten
        ({"datetime": "../2024-05-01T10:00:00+00:00"}, ["5P", "TCA"]),
        ({"bbox": [0.5, 40.5, 2, 42], "datetime": "2024-05-01T16:00:00Z/.."}, ["TCH", "TCG"]),
        ({"bbox": [5, 5, 0, 6, 6, 9]}, []),
        (
            {"intersects": {"type": "Point", "coordinates": [0.5, 40.5]}, "collections": ["sentinel-5p-l2-no2-offl"]},
            ["5P"],
        ),
        ({"query": {"eo:cloud_cover": {"lt": 20}}}, ["TCB", "TCA"]),
        ({"filter": "eo:cloud_cover <= 10 AND platform = 'sentinel-2'"}, ["TCB", "TCA"]),
        ({"filter": {"op": "<", "args": [{"property": "eo:cloud_cover"}, 20]}}, ["TCB", "TCA"]),
        (
            {
                "filter": {
                    "op": "and",
                    "args": [
                        {"op": ">", "args": [{"property": "eo:cloud_cover"}, 30]},
                        {"op": "<", "args": [{"property": "datetime"}, {"timestamp": "2024-05-01T15:00:00Z"}]},
                    ],
                }
            },
            ["TCE"],
        ),
        (
            {"sortby": [{"field": "properties.eo:cloud_cover", "direction": "asc"}], "collections": ["sentinel-2-l2a"]},
            ["TCA", "TCB", "TCC", "TCD", "TCE", "TCF", "TCG", "TCH"],
        ),
    ],
    ids=str,
)
def test_what_is_asked_for(asked, expected):
    assert found(**asked) == expected


@pytest.mark.parametrize(
    "asked",
    [
        {"datetime": "2024-05-01"},
        {"datetime": "2024-05-01T00:00:00"},
        {"datetime": "yesterday/today"},
        {"bbox": [1, 2, 3]},
        {"bbox": [0, 0, 1, 1], "intersects": {"type": "Point", "coordinates": [0, 0]}},
        {"intersects": {"type": "Ball"}},
        {"limit": 1001},
        {"limit": 0.5},
        {"limit": 201, "collections": ["sentinel-2-l2a"]},
        {"query": {"eo:cloud_cover": {"about": 10}}},
        {"filter": "cloudy"},
        {"filter": {"op": "s_touches", "args": []}},
        {"filter": {"args": []}},
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused(asked):
    with pytest.raises(BadSearchError):
        parse_search(asked)


def test_a_trimmed_search_may_ask_for_more():
    asked = {"limit": 1000, "collections": ["sentinel-2-l2a"], "fields": {"exclude": ["assets"]}}
    assert parse_search(asked).limit == 1000


def test_a_get_asks_the_same_as_a_post():
    pairs = [
        ("collections", "a,b"),
        ("bbox", "1,2,3,4"),
        ("sortby", "-properties.datetime,+id"),
        ("fields", "id,-assets"),
        ("query", '{"gsd":{"eq":10}}'),
        ("limit", "5"),
        ("token", "next:a:b"),
    ]
    assert parse_search(from_query(pairs)) == replace(
        parse_search(
            {
                "collections": ["a", "b"],
                "sortby": [{"field": "datetime", "direction": "desc"}, {"field": "id"}],
                "fields": {"include": ["id"], "exclude": ["assets"]},
                "query": {"gsd": {"eq": 10}},
                "limit": 5,
                "token": "next:a:b",
            }
        ),
        area=parse_search({"bbox": [1, 2, 3, 4]}).area,
    )
    for pair in (("bbox", "1,x"), ("intersects", "{")):
        with pytest.raises(BadSearchError):
            from_query([pair])


def test_open_intervals():
    assert parse_interval("../..") == ALWAYS
    assert parse_interval("/2024-05-01T00:00:00Z").start == ALWAYS.start
