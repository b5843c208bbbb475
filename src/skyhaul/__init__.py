"""Bulk downloads from Earth-observation archives: complete, verified, resumable."""

from __future__ import annotations

from skyhaul.version import __version__

__all__ = ["__version__"]
