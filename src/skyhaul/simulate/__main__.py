"""``python -m skyhaul.simulate``: the embedded archive without the rest of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from skyhaul.simulate.launch import Options, run
from skyhaul.simulate.scenario import ScenarioError
from skyhaul.simulate.world import WorldSettings

Checksums = Literal["auto", "all", "none"]
HASHED_PRODUCTS = 1000
"""More would keep a page of the catalogue waiting for minutes: a zip of 40 MB takes 0.07 s to hash."""


def main(
    *,
    products: Annotated[int, typer.Option(help="How many products there are.")] = 300,
    scale: Annotated[float, typer.Option(help="Size of the files, 1 being real.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 1,
    scenario: Annotated[str, typer.Option(help="Name or file of a scenario.")] = "calm",
    setting: Annotated[list[str] | None, typer.Option("--set", help="key=value of the scenario.")] = None,
    catalogue: Annotated[list[Path] | None, typer.Option(help="Recorded replies to serve.")] = None,
    host: str = "127.0.0.1",
    port: int = 0,
    tree_bytes: Annotated[
        int | None,
        typer.Option(help="Bytes of a Sentinel-2 L2A product; the others in proportion. In place of --scale."),
    ] = None,
    no_oddities: Annotated[
        bool, typer.Option("--no-oddities", help="Leave out what is odd in real catalogues.")
    ] = False,
    checksums: Annotated[
        Checksums, typer.Option(help=f"Checksums of zips; auto computes them for up to {HASHED_PRODUCTS} products.")
    ] = "auto",
    prepare: Annotated[bool, typer.Option("--prepare", help="Compute all checksums first.")] = False,
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes")] = False,
) -> None:
    """Run the embedded archive until stopped; prints its URLs as one line of JSON."""
    options = Options(
        world=WorldSettings(
            products=products,
            scale=scale,
            seed=seed,
            object_bytes=tree_bytes,
            oddities=not no_oddities,
            checksums=_published(checksums, products),
        ),
        catalogue=tuple(catalogue or ()),
        scenario=scenario,
        settings=tuple(setting or ()),
        host=host,
        port=port,
        prepare=prepare,
        until_stdin_closes=until_stdin_closes,
    )
    try:
        run(options)
    except ScenarioError as error:
        raise typer.BadParameter(str(error)) from error


def _published(checksums: Checksums, products: int) -> Literal["all", "none"]:
    if checksums == "auto":
        return "all" if products <= HASHED_PRODUCTS else "none"
    return checksums


if __name__ == "__main__":
    typer.run(main)
