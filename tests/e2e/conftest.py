"""The archive and the command line, for every test here."""

from __future__ import annotations

from support.served import archive, served, skyhaul, warm

__all__ = ["archive", "served", "skyhaul", "warm"]
