"""The identity host: the token endpoint of the realm CDSE, its discovery document, keys and logout."""

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
    """``identity.dataspace.copernicus.eu``."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def subject(self, request: web.BaseRequest) -> Subject:
        """As Host. The realm is written ``CDSE`` or ``cdse``: clients use both."""
        path = target(request).decoded_path
        realm, _, rest = path.removeprefix("/auth/realms/").partition("/")
        known = realm.upper() == "CDSE" and path.startswith("/auth/realms/")
        return Subject(ROUTES.get(f"/{rest}", "identity.other") if known else "identity.other", "")

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """As Host."""
        match (request.method, subject.route):
            case ("POST", "token"):
                return self._grant(await form_of(request), subject)
            case ("POST", "identity.logout"):
                self._service.identity.log_out((await form_of(request)).get("refresh_token", ""))
                return web.Response(status=204)
            case ("GET", "identity.keys"):
                return json_response(self._service.identity.keys())
            case ("GET", "identity.discovery"):
                return json_response(discovery(self._service.roots.issuer_url))
            case _:
                raise RefusedError(404, "", "Unable to find matching target resource method")

    def problem(self, problem: Problem) -> web.Response:
        """``{"error"}``, as Keycloak's framework words it."""
        return json_response({"error": problem.message}, problem.status)

    def _grant(self, form: dict[str, str], subject: Subject) -> web.Response:
        fault = self._service.faults.draw(Stage.TOKEN, subject)
        dies_after_s = None if fault is None else fault.seconds
        issuer = self._service.roots.issuer_url
        try:
            return json_response(self._service.identity.grant(form, issuer, dies_after_s=dies_after_s))
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
        "token_endpoint": f"{endpoint}/token",
        "jwks_uri": f"{endpoint}/certs",
        "end_session_endpoint": f"{endpoint}/logout",
        "grant_types_supported": ["password", "refresh_token", "client_credentials"],
        "id_token_signing_alg_values_supported": ["HS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    }
