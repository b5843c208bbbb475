"""What archives have, found completely: slices of time, pages of products, a count that has to come out."""

from __future__ import annotations
