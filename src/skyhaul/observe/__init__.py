"""What people and files see of a run: a reduction of its events and a sampled meter, drawn, logged and reported."""

from __future__ import annotations
