"""The identity host: the token endpoint as clients reach it."""

from __future__ import annotations

import pytest

from skyhaul.simulate.faults import Fault, FaultKind
from support.serving import Client, served

pytestmark = pytest.mark.anyio
LOGIN = {
    "grant_type": "password",
    "client_id": "cdse-public",
    "username": "demo@example.org",
    "password": "demo-password",
}


async def grant(client: Client, form: dict[str, str], url: str | None = None) -> tuple[int, dict]:
    async with client.session.post(url or client.service.roots.token_url(), data=form) as response:
        return response.status, await response.json()


async def test_a_form_buys_a_token_in_either_spelling_of_the_realm():
    async with served() as client:
        assert (await grant(client, LOGIN))[0] == 200
        lower = client.service.roots.token_url().replace("CDSE", "cdse")
        assert (await grant(client, LOGIN, lower))[0] == 200
        assert (await grant(client, LOGIN, lower.replace("cdse", "other")))[0] == 404


async def test_a_wrong_password_is_told_in_keycloaks_words():
    async with served() as client:
        assert await grant(client, {**LOGIN, "password": "no"}) == (
            401,
            {"error": "invalid_grant", "error_description": "Invalid user credentials"},
        )


async def test_a_json_body_is_no_form():
    async with served() as client, client.session.post(client.service.roots.token_url(), json=LOGIN) as response:
        assert (response.status, (await response.json())["error"]) == (400, "invalid_request")


async def test_discovery_leads_to_endpoint_and_keys():
    async with served() as client:
        async with client.session.get(
            f"{client.service.roots.issuer_url()}/.well-known/openid-configuration"
        ) as response:
            document = await response.json()
        assert document["token_endpoint"] == client.service.roots.token_url()
        assert (
            document["authorization_endpoint"] == client.service.roots.token_url().removesuffix("token") + "auth"
        )  # for eodag
        async with client.session.get(document["jwks_uri"]) as response:
            assert (await response.json())["keys"][0]["alg"] == "HS256"


async def test_logout_ends_the_session():
    async with served() as client:
        _, reply = await grant(client, LOGIN)
        form = {"client_id": "cdse-public", "refresh_token": reply["refresh_token"]}
        url = client.service.roots.token_url().replace("/token", "/logout")
        async with client.session.post(url, data=form) as response:
            assert response.status == 204
        assert (await grant(client, {**form, "grant_type": "refresh_token"}))[0] == 400


async def test_a_token_that_dies_early_is_noticed_only_by_use():
    async with served(faults=(Fault(kind=FaultKind.SHORT_TOKEN, seconds=0),)) as client:
        _, reply = await grant(client, LOGIN)
        assert reply["expires_in"] == 600
        client.token = reply["access_token"]
        async with client.zip() as response:
            assert (response.status, (await response.json())["code"]) == (401, "DAT-ZIP-109")
