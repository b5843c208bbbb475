"""Where bytes come from: the edges towards the network, one foreign library each."""

from __future__ import annotations
