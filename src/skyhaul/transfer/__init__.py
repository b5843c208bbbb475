"""From an object to a verified file."""

from __future__ import annotations
