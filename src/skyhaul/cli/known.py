"""``status``, ``providers`` and ``auth check``: what is known, and what works."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skyhaul.cli.options import Json

if TYPE_CHECKING:
    from skyhaul.credentials import Credentials
    from skyhaul.runtime import Check

NOT_LET_IN = 5

# A question that every catalogue answers at once: what there is of one day, and no more than one.
_SMALL = {"start": "2024-07-01", "end": "2024-07-01", "limit": 1}


def status(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that received a download.")],
    *,
    json: Json = False,
) -> None:
    """Say what the journal of a download knows."""
    from skyhaul.cli.show import print_json, print_rows
    from skyhaul.status import figures as known

    figures = known(folder)
    if json:
        print_json(figures)
    else:
        print_rows(_status_rows(figures))


def _status_rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    from skyhaul.observe.text import bytes_text, clean, count_text

    run = figures["last_run"]
    began = datetime.fromtimestamp(run["started_s"], UTC).strftime("%Y-%m-%d %H:%M UTC") if run else "never"
    ended = "still running, or killed" if run and run["ended_s"] is None else f"exit {run['exit_code']}" if run else ""
    return [
        ("folder", figures["destination"]),
        ("last run", f"{began}, {ended}" if run else began),
        ("", run["title"] if run else ""),
        *(
            ("products" if not index else "", f"{count_text(count)} {state}")
            for index, (state, count) in enumerate(figures["products"].items())
        ),
        ("bytes", f"{bytes_text(figures['bytes'])} verified, {bytes_text(figures['bytes_begun'])} begun"),
        (
            "verified by",
            "  ".join(f"{level} {count_text(count)}" for level, count in figures["levels"].items()) or "nothing yet",
        ),
        *(("failed", clean(f"{each['name']}: {each['error']}")) for each in figures["failures"]),
        *(("incomplete", clean(f"{each['slice']}: {each['error']}")) for each in figures["incomplete"]),
    ]


def providers(*, json: Json = False) -> None:
    """List the archives that are known, with what they need, their addresses and limits."""
    import msgspec

    from skyhaul.cli.show import print_json, print_rows
    from skyhaul.providers import ARCHIVES
    from skyhaul.settings import load

    settings = load().providers
    for archive in ARCHIVES:
        figures = msgspec.to_builtins(settings[archive.name])
        known = {key: figures[key] for key in archive.keys}
        if json:
            print_json({"name": archive.name, "title": archive.title, "needs": archive.needs, **known})
        else:
            shown = [(key, str(value)) for key, value in known.items() if value not in ("", None)]
            print_rows([("name", archive.name), ("", archive.title), ("needs", archive.needs), *shown])


def check(
    provider: Annotated[str, typer.Argument(metavar="[PROVIDER]", help="Archive to try.")] = "cdse",
    *,
    json: Json = False,
) -> None:
    """Try the catalogue, the login and the S3 keys of an archive."""
    from skyhaul.cli.running import carried_out, load_credentials, of_search
    from skyhaul.cli.show import print_json, print_rows
    from skyhaul.runtime import Check
    from skyhaul.settings import load

    settings = load({**_SMALL, "provider": provider})
    credentials = load_credentials(settings)
    tried = [
        *carried_out(settings, credentials, of_search, lambda haul: haul.check()),
        *(Check(name=name, ok=False, detail=detail) for name, detail in _missing(credentials)),
    ]
    if json:
        for each in tried:
            print_json({"name": each.name, "ok": each.ok, "detail": each.detail})
    else:
        print_rows([(each.name, "ok" if each.ok else "no", each.detail) for each in tried])
    raise typer.Exit(_verdict(tried, credentials))


def _missing(credentials: Credentials) -> list[tuple[str, str]]:
    """The credentials that are not set, and what to do about it."""
    from skyhaul.errors import AccessDenied

    missing = []
    for name, required in _required(credentials).items():
        try:
            required()
        except AccessDenied as error:
            missing.append((name, str(error)))
    return missing


def _required(credentials: Credentials) -> dict[str, Callable[[], object]]:
    """What the archive takes, by name."""
    takes = credentials.account.takes
    asked = {
        "login": ("password", credentials.require_login),
        "s3": ("s3_secret_key", credentials.require_s3),
        "key": ("api_key", credentials.require_key),
    }
    return {name: required for name, (field, required) in asked.items() if field in takes}


def _verdict(tried: list[Check], credentials: Credentials) -> int:
    """0 where one way to download works and nothing that is set is refused."""
    unset = {name for name, _ in _missing(credentials)}
    refused = [each.name for each in tried if not each.ok and each.name not in unset]
    if refused == ["catalogue"]:
        return 1
    return NOT_LET_IN if refused or not credentials.enough else 0
