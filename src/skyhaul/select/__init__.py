"""Choosing among results: by date, property, place, version, name and number.

Functions take products in any order and return those they keep, each once; which ones these are does not depend on the order. What they
are given is not touched. They can be applied one after the other, in whichever order suits:

```python
from skyhaul import select

products = select.by_property(products, "cloudCover", "le", 20)
series = select.one_per_period(select.latest_versions(products), "month", group_by="tile", prefer="cloudCover")
```
"""

from __future__ import annotations

from skyhaul.catalogue.versions import latest_versions
from skyhaul.select.coverage import Cover, covered, latest_cover, overlapping, smallest_cover, with_coverage
from skyhaul.select.crunch import (
    by_date,
    by_property,
    latest_by_name,
    limit,
    nearest,
    one_per_period,
    online,
)
from skyhaul.select.facts import unique
from skyhaul.select.revisit import Gaps, Revisit, Statistics, revisits

__all__ = [
    "Cover",
    "Gaps",
    "Revisit",
    "Statistics",
    "by_date",
    "by_property",
    "covered",
    "latest_by_name",
    "latest_cover",
    "latest_versions",
    "limit",
    "nearest",
    "one_per_period",
    "online",
    "overlapping",
    "revisits",
    "smallest_cover",
    "unique",
    "with_coverage",
]
