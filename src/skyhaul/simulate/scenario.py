"""Scenarios: what the embedded archive allows, how long it takes and what goes wrong; by name, by file, by ``key=value``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pyotp

from skyhaul.simulate.faults import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class ScenarioError(ValueError):
    """A scenario that cannot be read; the message says which key and what is accepted."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The account, its limits, the archive's delays and its faults. The defaults are a general user's (CDSE Quotas).

    Attributes:
        connections: streams at once, over all protocols.
        bytes_per_s_per_connection: None is unlimited.
        s3_requests_per_minute: None is unlimited; minutes are those of the wall clock, as recorded.
        latency_s: from request to first byte of downloads and of S3 GET and LIST.
        page_latency_s: the same for catalogue and STAC pages.
        release_delay_s: how long a slot stays taken after its body ended.
        count_waiting: whether a request that waits for its first byte is already a stream.
        refuse_or_queue: what becomes of the stream that is one too many.
        slow_lane_bytes: transfer in 30 days above which one connection at ``slow_lane_bytes_per_s`` is left.
        token_lifetime_s: of an access token.
        refresh_lifetime_s: of a session, from its login; refreshing does not extend it (the stricter reading).
        max_sessions: logins whose session has not ended.
        totp_secret: with it, a login needs the current six digits.
        zip_ranges: whether the download host honours ``Range`` (the real one does not).
        unpublished: products, spread over all, that are not in the OData catalogue yet.
        publishes_every: with every so manieth page of products one of them comes in.
        catalogue_max_concurrency: catalogue or STAC requests at work; one more is answered 429.
        staging_s: from the order of an archived product (DHuS, resto, GEODES) until it is online.
        staging_status: of the few words that resto has for a product on its way from tape; 200 stands in the product's place, as at PEPS.
        orders_at_once: products of one of these archives that may be on their way from tape; one more is refused.
        mirror_token_lifetime_s: of an access token of the NOA mirror.
        signature_lifetime_s: of a signed address (Planetary Computer).
        stac_merge: whether the next link of a POST search carries the token alone, to be merged into the body.
        stac_posts: whether a STAC search may be posted; else it is an address.
        faults: in order of precedence.
        seed: of the faults' dice.
        tls_certificate, tls_key: PEM files; with them every port speaks TLS.
    """

    connections: int = 4
    bytes_per_s_per_connection: int | None = 20_000_000
    s3_requests_per_minute: int | None = 2000
    latency_s: float = 0.0
    page_latency_s: float = 0.0
    release_delay_s: float = 0.0
    count_waiting: bool = True
    refuse_or_queue: Literal["refuse", "queue"] = "refuse"
    slow_lane_bytes: int | None = 12_000_000_000_000
    slow_lane_bytes_per_s: int = 1_000_000
    token_lifetime_s: float = 600.0
    refresh_lifetime_s: float = 3600.0
    max_sessions: int = 100
    totp_secret: str | None = None
    zip_ranges: bool = False
    unpublished: int = 0
    publishes_every: int = 1
    catalogue_max_concurrency: int | None = None
    staging_s: float = 60.0
    staging_status: Literal[200, 202] = 202
    orders_at_once: int = 20
    mirror_token_lifetime_s: float = 300.0
    signature_lifetime_s: float = 2700.0
    stac_merge: bool = False
    stac_posts: bool = True
    faults: tuple[Fault, ...] = ()
    seed: int = 1
    username: str = "demo@example.org"
    password: str = "demo-password"  # noqa: S105 -- opens the embedded archive only
    client_id: str = "cdse-public"
    service_client_id: str = "sh-demo"
    service_client_secret: str = "demo-client-secret"  # noqa: S105 -- likewise
    api_key: str = "demo-api-key"
    s3_access_key: str = "DEMOACCESSKEY0000000"
    s3_secret_key: str = "demo-secret-key"  # noqa: S105 -- likewise
    tls_certificate: str | None = None
    tls_key: str | None = None

    def __post_init__(self) -> None:
        if self.connections < 1 or self.max_sessions < 1:
            raise ValueError("connections and max_sessions are at least 1")
        if self.unpublished < 0 or self.publishes_every < 1:
            raise ValueError("unpublished is at least 0, publishes_every at least 1")
        if self.bytes_per_s_per_connection is not None and self.bytes_per_s_per_connection < 1:
            raise ValueError("bytes_per_s_per_connection is at least 1, or null for unlimited")
        if self.totp_secret is not None:
            pyotp.TOTP(self.totp_secret)  # refuses what is no base32, or too short
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key come together")


BODIES = ("download.*", "s3.*")


def _rough() -> tuple[Fault, ...]:
    """A lively mix at low rates: every fault is survivable, and none strikes the same name for ever."""
    bodies = (
        Fault(kind=FaultKind.CUT, probability=0.02),
        Fault(kind=FaultKind.TRUNCATE, probability=0.01),
        Fault(kind=FaultKind.STALL, probability=0.003, seconds=3.0),
        Fault(kind=FaultKind.FLIP, probability=0.002, times=1, per_name=True),
        Fault(kind=FaultKind.STATUS, probability=0.01),
        Fault(kind=FaultKind.STATUS, probability=0.003, status=429, retry_after="1"),
    )
    return (
        *(msgspec.structs.replace(fault, route=route) for fault in bodies for route in BODIES),
        Fault(kind=FaultKind.STATUS, route="catalogue.*", probability=0.03, status=502),
        Fault(kind=FaultKind.STATUS, route="stac.*", probability=0.02, status=429, retry_after="1"),
        Fault(kind=FaultKind.RESET, probability=0.005),
        Fault(kind=FaultKind.ERROR_PAGE, route="download.*", probability=0.003),
        Fault(kind=FaultKind.MALFORMED, route="catalogue.products", probability=0.01),
        Fault(kind=FaultKind.SHORT_TOKEN, every=5, seconds=5.0),
    )


NAMED: Mapping[str, Scenario] = {
    "calm": Scenario(),
    "rough": Scenario(faults=_rough()),
    # performance.md: what the allowance figures are measured on.
    "allowance": Scenario(latency_s=0.06, page_latency_s=0.15),
    "late-release": Scenario(latency_s=0.06, page_latency_s=0.15, release_delay_s=1.0),
    "queue": Scenario(latency_s=0.06, page_latency_s=0.15, refuse_or_queue="queue"),
    "unlimited": Scenario(
        connections=1_000_000,
        bytes_per_s_per_connection=None,
        s3_requests_per_minute=None,
        slow_lane_bytes=None,
    ),
    "slow-lane": Scenario(slow_lane_bytes=0),
    "short-tokens": Scenario(token_lifetime_s=5.0, refresh_lifetime_s=20.0),
    "cuts": Scenario(faults=(Fault(kind=FaultKind.CUT, every=2), Fault(kind=FaultKind.TRUNCATE, every=5))),
    "corrupt": Scenario(faults=(Fault(kind=FaultKind.FLIP, every=10),)),
    "busy": Scenario(
        faults=(
            *(Fault(kind=FaultKind.STATUS, route=route, every=4, status=429) for route in BODIES),
            Fault(kind=FaultKind.STATUS, every=7, retry_after="1"),
        ),
    ),
    "bad-pages": Scenario(
        faults=tuple(
            Fault(kind=kind, route="catalogue.products", every=every)
            for kind, every in (
                (FaultKind.MALFORMED, 3),
                (FaultKind.EMPTY_PAGE, 5),
                (FaultKind.SHIFTED_PAGE, 7),
                (FaultKind.LOST_LINK, 11),
                (FaultKind.WRONG_COUNT, 13),
            )
        ),
    ),
    "hostile": Scenario(
        faults=(
            Fault(kind=FaultKind.HOSTILE_NAME, route="download.*", every=2),
            Fault(kind=FaultKind.HOSTILE_ARCHIVE, route="download.zip", every=3),
            Fault(kind=FaultKind.HOSTILE_KEY, every=2),
        ),
    ),
}


def load_scenario(name_or_file: str = "calm", pairs: Iterable[str] = ()) -> Scenario:
    """The scenario of that name, or of that TOML or JSON file, with ``key=value`` pairs laid over it.

    A value is JSON where it parses as JSON and text otherwise: ``connections=2``, ``totp_secret=JBSW...``,
    ``faults=[{"kind":"cut","every":3}]``. A file may name the scenario it starts from: ``base = "rough"``.

    Raises:
        ScenarioError: unknown name, unreadable file, unknown key or a value of the wrong type.
    """
    base = NAMED[name_or_file] if name_or_file in NAMED else _from_file(Path(name_or_file))
    return patched(base, dict(_pair(pair) for pair in pairs))


def patched(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """``scenario`` with some keys changed.

    Raises:
        ScenarioError: as for load_scenario.
    """
    try:
        return msgspec.convert({**msgspec.to_builtins(scenario), **changes}, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"scenario: {error}") from error


def _from_file(path: Path) -> Scenario:
    if path.suffix not in {".toml", ".json"}:
        raise ScenarioError(f"{path}: neither a .toml or .json file nor one of {', '.join(NAMED)}")
    try:
        text = path.read_bytes()
        keys = msgspec.toml.decode(text) if path.suffix == ".toml" else msgspec.json.decode(text)
    except (OSError, msgspec.DecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    if not isinstance(keys, dict):
        raise ScenarioError(f"{path}: a scenario is a table of keys")
    base = keys.pop("base", "calm")
    if base not in NAMED:
        raise ScenarioError(f"{path}: base is one of {', '.join(NAMED)}, not {base!r}")
    return patched(NAMED[base], keys)


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ScenarioError(f"{text!r}: a setting is key=value")
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value
