"""Where the recorded replies of real archives are, for tests that go through them one by one."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = Path(os.environ.get("SKYHAUL_SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data")


def recorded(pattern: str) -> list[Path]:
    """The recordings that match, sorted; none where there are no recordings, so that a test over them is skipped."""
    return sorted(SHARED.glob(pattern))
