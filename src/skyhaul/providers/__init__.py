"""The archives that can be asked, one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from skyhaul.errors import SettingsError
from skyhaul.protocols import Provider
from skyhaul.values import meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive as users know it. ``needs`` says what credentials it takes; ``made_by`` is ``module:class``, imported when it is asked."""

    name: str
    title: str
    made_by: str
    needs: str

    def load(self) -> Callable[..., Provider]:
        """The provider's class."""
        module, _, name = self.made_by.partition(":")
        return getattr(import_module(module), name)  # type: ignore[no-any-return] # an attribute found by name


ARCHIVES = (
    Archive(
        name="cdse",
        title="Copernicus Data Space Ecosystem",
        made_by="skyhaul.providers.cdse:Cdse",
        needs="a free account to download (search needs none)",
    ),
)


def known() -> tuple[str, ...]:
    """The names of all archives."""
    return tuple(archive.name for archive in ARCHIVES)


def find(name: str) -> Archive:
    """The archive of that name.

    Raises:
        SettingsError: there is none; offers the nearest.
    """
    for archive in ARCHIVES:
        if archive.name == name.lower():
            return archive
    raise SettingsError(f"the provider {name!r} is unknown; {meant(name, known())}")
