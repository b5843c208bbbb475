"""Skeleton: the API only, being filled in."""

from __future__ import annotations

from skyhaul.simulate.nouns import SimArchive, SimFile, SimObject, SimProduct, World, WorldSettings

__all__ = ["SimArchive", "SimFile", "SimObject", "SimProduct", "World", "WorldSettings", "build_world"]


def build_world(settings: WorldSettings) -> World: ...
