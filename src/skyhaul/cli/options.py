"""The options of queries and downloads, made from the table of keys: declared once, for every command that takes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any

import typer

from skyhaul.keys import Key

Given = Mapping[str, object]
"""What was said on the command line: values by key, ``None`` or an empty list where nothing was."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON Lines, and no dashboard.", envvar="SKYHAUL_JSON")]


def takes(*keys: Key) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each of ``keys``; it gets what was said as its argument ``given``."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_options(**arguments: Any) -> None:
            given = {key.name: arguments.pop(key.name) for key in keys}
            command(given=given, **arguments)

        own = [each for each in inspect.signature(command, eval_str=True).parameters.values() if each.name != "given"]
        options = [_parameter(key) for key in keys]
        parameters = sorted([*options, *own], key=lambda each: each.kind)
        with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what typer reads
        with_options.__annotations__ = {each.name: each.annotation for each in parameters}
        return with_options

    return decorate


def _parameter(key: Key) -> inspect.Parameter:
    value: Any = bool | None if key.switch else list[str] | None if key.several else str | None
    metavar = None if key.switch else key.metavar
    option = typer.Option(key.switch or key.option, help=key.help, metavar=metavar, show_default=False)
    return inspect.Parameter(
        key.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[value, option]
    )
