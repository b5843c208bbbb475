"""The version, in one place for packaging and for ``skyhaul --version``."""

from __future__ import annotations

__version__ = "0.1.0"
