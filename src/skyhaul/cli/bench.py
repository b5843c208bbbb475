"""``bench``: what this machine and link can do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from skyhaul.errors import SettingsError, SinkError

if TYPE_CHECKING:
    from skyhaul.credentials import Credentials
    from skyhaul.measure import Figures, Sweep
    from skyhaul.model import Product
    from skyhaul.settings import Settings

_NOWHERE = Path(os.devnull)
"""A folder without ``.env``, a file without settings: the user's own have no say with the embedded archive."""

_WORLD = ("--products", "12", "--scale", "1", "--no-oddities", "--checksums", "none", "--scenario", "unlimited")
_PAGES = (".html", ".htm")
_QUERY = {"collection": "SENTINEL-2", "product_type": "S2MSI2A", "online": True, "limit": 1}


def bench(
    *,
    url: Annotated[
        str | None,
        typer.Option(
            "--url", metavar="URL", help="A large file to measure with: https, http or s3; not the embedded archive."
        ),
    ] = None,
    into: Annotated[Path, typer.Option(metavar="DIR", help="Folder on the disk to measure (default: here).")] = Path(),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer settings, half a second each.")] = False,
    chart: Annotated[
        Path | None, typer.Option(metavar="FILE.png|FILE.html", help="Write a picture, or a page, with bars.")
    ] = None,
) -> None:
    """Measure what this machine and link can do, and say which settings to use; downloads a few gigabytes for nothing."""
    from skyhaul.measure import QUICK, Sweep, machine
    from skyhaul.observe.measures import advice

    if chart is not None:
        _check(chart)
    figures = anyio.run(_measured, url, into, QUICK if quick else Sweep())
    if chart is not None:
        _draw(chart, figures, url)
    typer.echo(f"{machine()}; the disk takes {figures.disk_bytes_per_s / 1e6:.0f} MB/s")
    typer.echo(advice(figures))


def _check(chart: Path) -> None:
    """Find out before minutes are spent whether the chart can be written."""
    from skyhaul.observe.plot import blank

    if chart.suffix.lower() not in {".png", *_PAGES}:
        raise SettingsError(
            f"--chart {chart}: a chart is a picture or a page; name it {chart.with_suffix('.png')} or .html"
        )
    if not chart.absolute().parent.is_dir():
        raise SinkError(f"{chart} cannot be written (its folder is not there)")
    if chart.suffix.lower() not in _PAGES:
        blank((1, 1))


def _draw(chart: Path, figures: Figures, url: str | None) -> None:
    from skyhaul.measure import machine
    from skyhaul.observe.measures import advice, page, panels, target
    from skyhaul.observe.plot import draw_panels

    title = f"skyhaul bench: {target(url)}"
    if chart.suffix.lower() in _PAGES:
        _write(chart, page(figures, title, machine()))
    else:
        draw_panels(panels(figures), chart, title=title, machine=machine(), advice=advice(figures))


async def _measured(url: str | None, into: Path, sweep: Sweep) -> Figures:
    from skyhaul.simulate.launch import launched

    if url is not None:
        return await _printed(*_given(url), sweep, into)
    async with launched(_WORLD) as archive:
        return await _printed(*_embedded(archive["environment"]), None, sweep, into)


async def _printed(
    settings: Settings, account: Credentials, product: Product | None, sweep: Sweep, into: Path, /
) -> Figures:
    """What was measured, with a row printed for each setup as it is done."""
    from skyhaul.measure import measured
    from skyhaul.observe.measures import HEADINGS, row

    _print_row(HEADINGS)
    return await measured(
        settings, account, product, sweep=sweep, folder=into, note=lambda point: _print_row(row(point))
    )


def _given(url: str) -> tuple[Settings, Credentials, Product]:
    """A list of one file."""
    from skyhaul import lists
    from skyhaul.cli.running import load_credentials
    from skyhaul.settings import load

    try:
        entry = lists.entry(url, "--url")
        products = lists.products([entry]) if entry else ()
    except ValueError as error:
        raise SettingsError(f"--url: {error}") from None
    if not products:
        raise SettingsError(f"--url {url}: an address is meant, of one large file")
    settings = load({"provider": "list"})
    return settings, load_credentials(settings), products[0]


def _embedded(environ: Mapping[str, str]) -> tuple[Settings, Credentials]:
    from skyhaul import credentials, settings

    told = settings.load(_QUERY, environ=environ, folder=_NOWHERE, user_file=_NOWHERE)
    account = credentials.load(told.provider.token_url, environ=environ, folder=_NOWHERE, keyring=False)
    return told, account


def _print_row(cells: tuple[str, ...]) -> None:
    typer.echo("  ".join(cell.ljust(11) for cell in cells).rstrip())


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SinkError(f"{path} cannot be written ({error.strerror})") from None
