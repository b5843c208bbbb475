"""Several processings of one acquisition: which is the latest (pure).

Two products are versions of each other when their names agree in all that says what was acquired. The patterns follow the missions'
naming conventions; a name that fits none of them has no other version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from skyhaul.model import Product

_T = r"\d{8}T\d{6}"

# The groups named key… make up the acquisition, the others tell its versions apart.
# Sentinel-1: a repackaged product differs in its checksum alone; the COG form is a product of its own.
_S1 = (
    r"(?P<key>S1[A-D]_(?:S[1-6]|IW|EW|WV|N[1-6]|EN|RF|GP|HK)_(?:RAW_|SLC_|GRD[FHM]|OCN_|ETA_|SL1_)_[012A][SANCX_](?:[SDHV][HV]|__)"
    rf"_{_T}_{_T}_\d{{6}}_[0-9A-F_]{{6}})_[0-9A-F]{{4}}(?P<key_form>_COG)?"
)
# Sentinel-2: the last time is when it was made, not when it was sensed.
_S2 = (
    rf"(?P<key>S2[A-D]_MSI(?:L1B|L1C|L2A)_{_T})(?:_N(?P<baseline>\d{{4}}))?(?P<key_tile>_R\d{{3}}_T\d{{2}}[A-Z]{{3}})"
    rf"_(?P<made>{_T})"
)
# Sentinel-3: published as NR within hours, as ST and NT later.
_S3 = (
    rf"(?P<key>S3[AB_]_[A-Z]{{2}}_[012_]_.{{6}}_{_T}_{_T})_(?P<made>{_T})(?P<key_frame>_.{{17}})"
    r"_[A-Z0-9]{3}_[A-Z]_(?P<timeliness>[A-Z]{2})_(?P<baseline>[A-Z0-9_]{3})"
)
_S5P = (
    rf"S5P_(?:NRTI|OFFL|RPRO)_(?P<key>L(?:1B|2_)_.{{6}}_{_T}_{_T}_\d{{5}})_(?P<baseline>\d{{2}}_\d{{6}})_(?P<made>{_T})"
)
_SUFFIX = r"(?:\.\w+)*"
_PATTERNS = tuple(re.compile(pattern + _SUFFIX) for pattern in (_S1, _S2, _S3, _S5P))

# N9999 is what the operator made itself for lack of an official product: any official baseline supersedes it.
_UNOFFICIAL = "9999"
_TIMELINESS = ("NR", "ST", "NT")
_NEVER = datetime.min.replace(tzinfo=UTC)


def acquisition(name: str) -> tuple[str, ...]:
    """What the versions of one acquisition have in common, and nothing else has."""
    return tuple(text for group, text in _parts(name).items() if group.startswith("key")) or (name,)


def latest_versions(products: Iterable[Product]) -> list[Product]:
    """Of each acquisition the latest version alone, where its first version stood.

    Which one that is does not depend on their order: see :func:`rank`.
    """
    latest: dict[tuple[str, ...], Product] = {}
    for product in products:
        key = acquisition(product.name)
        if rank(product) > rank(latest.setdefault(key, product)):
            latest[key] = product
    return list(latest.values())


def rank(product: Product) -> tuple[int, str, datetime, str, str, str, datetime]:
    """How late a version of its acquisition a product is: the latest has the highest rank.

    The most final timeliness counts first (Sentinel-3), then the baseline, then the publication, then the time of making that the name
    states. Name, id and modification only make that no two products are alike.
    """
    parts = _parts(product.name)
    baseline, timeliness = parts.get("baseline", ""), parts.get("timeliness")
    return (
        _TIMELINESS.index(timeliness) if timeliness in _TIMELINESS else -1,
        "" if baseline == _UNOFFICIAL else baseline,
        product.published or _NEVER,
        parts.get("made", ""),
        product.name,
        product.id,
        product.modified or _NEVER,
    )


def _parts(name: str) -> dict[str, str]:
    for pattern in _PATTERNS:
        if found := pattern.fullmatch(name):
            return found.groupdict(default="")
    return {}
