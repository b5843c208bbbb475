"""The identity host: the token endpoint of each realm, its discovery document, keys and logout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from skyhaul.simulate.faults import Stage, Subject
from skyhaul.simulate.hosts import Problem, RefusedError, json_response, target
from skyhaul.simulate.tokens import GrantRefusedError

if TYPE_CHECKING:
    from skyhaul.simulate.service import Service

ROUTES = {
    "/protocol/openid-connect/token": "token",
    "/protocol/openid-connect/certs": "identity.keys",
    "/protocol/openid-connect/logout": "identity.logout",
    "/.well-known/openid-configuration": "identity.discovery",
}


class IdentityHost:
    """``identity.dataspace.copernicus.eu``; the realms of other archives answer here too, each with accounts of its own."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def subject(self, request: web.BaseRequest) -> Subject:
        """As Host; the name is that of a realm other than CDSE's."""
        realm, rest = self._realm(request)
        if realm is None:
            return Subject("identity.other", "")
        return Subject(ROUTES.get(f"/{rest}", "identity.other"), "" if realm == "CDSE" else realm)

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """As Host."""
        realm, _ = self._realm(request)
        if realm is None:
            raise RefusedError(404, "", "Realm does not exist")
        identity = self._service.realms[realm]
        match (request.method, subject.route):
            case ("POST", "token"):
                return self._grant(realm, await form_of(request), subject)
            case ("POST", "identity.logout"):
                identity.log_out((await form_of(request)).get("refresh_token", ""))
                return web.Response(status=204)
            case ("GET", "identity.keys"):
                return json_response(identity.keys())
            case ("GET", "identity.discovery"):
                return json_response(discovery(self._service.roots.issuer_url(realm)))
            case _:
                raise RefusedError(404, "", "Unable to find matching target resource method")

    def problem(self, problem: Problem) -> web.Response:
        """``{"error"}``, as Keycloak's framework words it."""
        return json_response({"error": problem.message}, problem.status)

    def _realm(self, request: web.BaseRequest) -> tuple[str | None, str]:
        """The realm of a path and what follows it. A realm is written ``CDSE`` or ``cdse``: clients use both."""
        path = target(request).decoded_path
        if not path.startswith("/auth/realms/"):
            return None, ""
        name, _, rest = path.removeprefix("/auth/realms/").partition("/")
        return next((realm for realm in self._service.realms if realm.upper() == name.upper()), None), rest

    def _grant(self, realm: str, form: dict[str, str], subject: Subject) -> web.Response:
        fault = self._service.faults.draw(Stage.TOKEN, subject)
        dies_after_s = None if fault is None else fault.seconds
        issuer, identity = self._service.roots.issuer_url(realm), self._service.realms[realm]
        try:
            return json_response(identity.grant(form, issuer, dies_after_s=dies_after_s))
        except GrantRefusedError as error:
            return json_response({"error": error.error, "error_description": error.description}, error.status)


async def form_of(request: web.BaseRequest) -> dict[str, str]:
    """The form fields of a body; anything but ``application/x-www-form-urlencoded`` has none."""
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    return {key: str(value) for key, value in (await request.post()).items()}


def discovery(issuer: str) -> dict[str, Any]:
    """The part of the OpenID configuration that clients read."""
    endpoint = f"{issuer}/protocol/openid-connect"
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{endpoint}/auth",
        "token_endpoint": f"{endpoint}/token",
        "jwks_uri": f"{endpoint}/certs",
        "end_session_endpoint": f"{endpoint}/logout",
        "grant_types_supported": ["password", "refresh_token", "client_credentials"],
        "id_token_signing_alg_values_supported": ["HS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    }
