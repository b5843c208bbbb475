from __future__ import annotations
from collections.abc import Sequence
from pathlib import Path
from skyhaul.simulate.nouns import World
def load_recorded(paths: Sequence[Path]) -> World: ...
