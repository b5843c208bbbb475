"""What every host of the embedded archive shares: the world, its catalogue, the account, the identities and the faults."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from skyhaul.simulate.account import Account
from skyhaul.simulate.faults import FaultBook
from skyhaul.simulate.odata import Catalogue
from skyhaul.simulate.tape import Tape
from skyhaul.simulate.tokens import Identity

if TYPE_CHECKING:
    from skyhaul.simulate.nouns import World
    from skyhaul.simulate.scenario import Scenario

MIRROR = "mirror"
# The public client of each realm; CDSE's is the scenario's.
CLIENTS = {"CDSE": None, "Creodias-new": "CLOUDFERRO_PUBLIC", MIRROR: "mirror-client"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """Scheme, host and port of every host, without a path: they differ, so that redirects cross hosts."""

    catalogue: str
    identity: str
    download: str
    bursts: str
    stac: str
    s3: str
    control: str
    dhus: str
    resto: str
    noa: str
    creodias: str
    geodes: str
    planetary: str
    blobs: str
    earth: str

    @property
    def catalogue_url(self) -> str:
        """Of the OData catalogue."""
        return f"{self.catalogue}/odata/v1"

    @property
    def download_url(self) -> str:
        """Of zips and nodes."""
        return f"{self.download}/odata/v1"

    def issuer_url(self, realm: str = "CDSE") -> str:
        """Of a realm; the NOA mirror keeps its own."""
        return f"{self.noa if realm == MIRROR else self.identity}/auth/realms/{realm}"

    def token_url(self, realm: str = "CDSE") -> str:
        """Of the token endpoint."""
        return f"{self.issuer_url(realm)}/protocol/openid-connect/token"

    @property
    def stac_url(self) -> str:
        """Of the STAC API, without a slash at its end."""
        return f"{self.stac}/v1"

    @property
    def control_url(self) -> str:
        """Of statistics and scenario."""
        return f"{self.control}/_control"


class Service:
    """The archive behind its hosts. ``roots`` is set once all ports are bound, before the first request."""

    roots: Roots

    def __init__(self, world: World, scenario: Scenario) -> None:
        self.world = world
        self.catalogue = Catalogue(world)
        self.catalogue.withhold(scenario.unpublished, scenario.publishes_every)
        self.account = Account(scenario)
        self.realms = {realm: Identity(_in_realm(realm, scenario)) for realm in CLIENTS}
        self.faults = FaultBook(scenario.faults, scenario.seed)
        self.tapes = {name: Tape(lambda: self.scenario) for name in ("dhus", "resto", "geodes")}
        self.catalogue_requests = 0
        self.threads = anyio.CapacityLimiter(2)  # the pure half computes: more threads would only wait for each other

    @property
    def identity(self) -> Identity:
        """The realm CDSE."""
        return self.realms["CDSE"]

    @property
    def scenario(self) -> Scenario:
        """The scenario of the moment."""
        return self.account.scenario

    def use(self, scenario: Scenario) -> None:
        """Play another scenario from now on; its faults count their events from the start."""
        self.account.use(scenario)
        self.catalogue.withhold(scenario.unpublished, scenario.publishes_every)
        for realm, identity in self.realms.items():
            identity.scenario = _in_realm(realm, scenario)
        self.faults = FaultBook(scenario.faults, scenario.seed)

    def reset_stats(self) -> None:
        """Count anew from now on; faults go on counting their events."""
        self.account.reset_tally()
        for identity in self.realms.values():
            identity.issued.clear()
        self.faults.happened.clear()

    def stats(self) -> dict[str, Any]:
        """Everything counted, as builtin types."""
        return {
            **self.account.tally.as_json(),
            "slots_held": self.account.slots_held,
            "tokens": dict(sum((identity.issued for identity in self.realms.values()), Counter())),
            "sessions": self.identity.sessions(),
            "faults": dict(self.faults.happened),
            "ordered": {name: tape.ordered for name, tape in self.tapes.items()},
            "transferred_30_days": self.account.transferred(),
        }


def _in_realm(realm: str, scenario: Scenario) -> Scenario:
    """``scenario`` as a realm sees it: the same user, a client and a lifetime of its own."""
    client = CLIENTS[realm]
    if client is None:
        return scenario
    lifetime_s = scenario.mirror_token_lifetime_s if realm == MIRROR else scenario.token_lifetime_s
    return msgspec.structs.replace(scenario, client_id=client, token_lifetime_s=lifetime_s)
