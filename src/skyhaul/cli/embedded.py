"""``demo`` and ``simulate``: the embedded archive."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer
from anyio import to_thread

from skyhaul.errors import SettingsError

if TYPE_CHECKING:
    from skyhaul.credentials import Credentials
    from skyhaul.model import Report
    from skyhaul.settings import DownloadSettings, Settings

_NOWHERE = Path(os.devnull)
"""A folder without ``.env``, a file without settings: the user's own have no say in the demo."""

_REGION = {
    "collection": "SENTINEL-2",
    "product_type": "S2MSI2A",
    "bbox": "9.5,44,13,46",
    "start": "2024-04-01",
    "end": "2024-09-30",
    "online": True,
}

_SCALE = "0.04"
"""Products of 40 MB: half a second each at what the archive allows."""

_WORLD_PER_PRODUCT = 3
"""Somewhat less than half of the embedded archive's products lie in the region and are of the wanted type."""


def demo(
    *,
    into: Annotated[Path, typer.Option(metavar="DIR", help="Folder that receives the products.")] = Path(
        "skyhaul-demo"
    ),
    products: Annotated[int, typer.Option(metavar="N", min=1, help="How many products to fetch.")] = 24,
    faults: Annotated[bool, typer.Option("--faults", help="Let the archive break connections, and worse.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Let the archive serve as fast as it can.")] = False,
) -> None:
    """Pull a region's time series from the embedded archive: no account, no network."""
    from skyhaul.cli.fetch import print_report
    from skyhaul.cli.running import of_download, watched
    from skyhaul.simulate.launch import launched

    args = [
        "--products",
        str(_WORLD_PER_PRODUCT * products),
        "--scale",
        _SCALE,
        "--scenario",
        _scenario(faults=faults, fast=fast),
    ]

    async def pull() -> Report:
        async with launched(args) as archive:
            told, wanted, account = await to_thread.run_sync(_told, archive["environment"], into, products)
            async with watched(told, account, of_download(wanted, json=False)) as haul:
                return await haul.download(handle_signals=True)

    report = anyio.run(pull)
    print_report(report, json=False)
    raise typer.Exit(report.exit_code)


def _scenario(*, faults: bool, fast: bool) -> str:
    if faults and fast:
        raise SettingsError("--faults and --fast exclude each other: give one of them")
    return "rough" if faults else "unlimited" if fast else "allowance"


def _told(environ: Mapping[str, str], into: Path, products: int) -> tuple[Settings, DownloadSettings, Credentials]:
    """What the demo asks for, and the account that the embedded archive has."""
    from skyhaul import credentials, settings

    options = {**_REGION, "into": into, "limit": products}
    told = settings.load(options, environ=environ, folder=_NOWHERE, user_file=_NOWHERE)
    if told.download is None:
        raise SettingsError("the demo has no destination")
    account = credentials.load(told.provider.token_url, environ=environ, folder=_NOWHERE, keyring=False)
    return told, told.download, account


def simulate(context: typer.Context) -> None:
    """Run the embedded archive until stopped; prints its URLs as JSON."""
    from skyhaul.simulate.__main__ import main
    from skyhaul.simulate.scenario import ScenarioError

    command = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    command.command()(main)
    try:
        command(args=context.args, prog_name="skyhaul simulate", standalone_mode=False)
    except ScenarioError as error:
        raise SettingsError(str(error)) from None
