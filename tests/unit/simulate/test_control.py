"""The control host: what it tells and what it changes while the archive serves."""

from __future__ import annotations

import pytest

from support.serving import Client, served

pytestmark = pytest.mark.anyio


async def ask(client: Client, method: str, path: str, body: object = None) -> tuple[int, dict]:
    url = f"{client.service.roots.control_url}/{path}"
    async with client.session.request(method, url, json=body) as response:
        return response.status, await response.json()


async def test_stats_count_and_can_begin_anew():
    async with served() as client:
        async with client.zip() as response:
            await response.read()
        _, stats = await ask(client, "GET", "stats")
        assert stats["requests"] == {"download.zip": 1}
        assert (stats["statuses"], stats["bytes_served"], stats["streams_max"]) == ({"200": 1}, 1_000_000, 1)
        assert (stats["tokens"], stats["sessions"]) == ({"password": 1}, 1)
        _, stats = await ask(client, "POST", "stats/reset")
        assert (stats["requests"], stats["bytes_served"], stats["tokens"]) == ({}, 0, {})


async def test_the_scenario_changes_while_it_plays():
    async with served() as client:
        status, scenario = await ask(client, "POST", "scenario", {"faults": [{"kind": "status", "status": 500}]})
        assert (status, scenario["connections"]) == (200, 4)
        async with client.zip() as response:
            assert response.status == 500
        await ask(client, "POST", "scenario", {"faults": [], "connections": 7})
        async with client.zip() as response:
            assert response.status == 200
        assert (await ask(client, "GET", "scenario"))[1]["connections"] == 7


async def test_a_mistake_changes_nothing():
    async with served() as client:
        status, reply = await ask(client, "POST", "scenario", {"conections": 7})
        assert status == 400
        assert "conections" in reply["error"]
        assert (await ask(client, "POST", "scenario", []))[0] == 400
        assert client.service.scenario.connections == 4


async def test_tokens_can_be_ended():
    async with served() as client:
        await ask(client, "POST", "tokens/expire")
        async with client.zip() as response:
            assert response.status == 401
        assert (await ask(client, "GET", "nothing"))[0] == 404
