"""Processing baselines as numbers, wherever an archive keeps them (pure).

Archives write one baseline as ``05.10``, ``N0510`` or 5.1, and CDSE OData tells Sentinel-2's by the name alone. As numbers they agree:
5.1 is 05.10, for 05.01 would be 5.01.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from skyhaul.model import Condition, Operator, Product
from skyhaul.vocabulary import BASELINE

UNOFFICIAL = Decimal("99.99")
"""What the operator made itself for lack of an official product: a mark, not a number that comes after others."""

_IN_NAME = re.compile(r"S2[A-D]_MSI.{3}_\d{8}T\d{6}_N(\d{2})(\d{2})_|S3[AB_]_.{86}_(\d{3})(?:\.|$)")
_ATTRIBUTES = (BASELINE, "s2:processing_baseline", "processing:version", "baselineCollection")
_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    "eq": eq, "in": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge,
}  # fmt: skip


def baseline(product: Product) -> Decimal | None:
    """The number of the product's processing baseline; ``None`` where neither its name nor its attributes tell one."""
    if found := _IN_NAME.match(product.name):
        whole, part, collection = found.groups()
        return Decimal(collection or f"{whole}.{part}")
    stated = (number(product.attributes.get(name)) for name in _ATTRIBUTES)
    return next((each for each in stated if each), None)  # resto: 0 where it is not known


def number(stated: object) -> Decimal | None:
    """What is stated as a number: ``05.10``, ``5.1``, ``N0510``."""
    text = str(stated).strip().upper().removeprefix("N")
    if re.fullmatch(r"\d{4}", text):
        text = f"{text[:2]}.{text[2:]}"
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def meets(condition: Condition, product: Product) -> bool:
    """Whether the product's baseline is as ``condition`` wants it. One that is unknown or unofficial is neither above nor below another."""
    found = baseline(product)
    if found is None:
        said = product.attributes.get(BASELINE)
        return condition.operator in {"eq", "in"} and said is not None and str(said) in map(str, condition.values)
    if found == UNOFFICIAL and condition.operator in {"lt", "le", "gt", "ge"}:
        return False
    compare = _COMPARE[condition.operator]
    return any(compare(found, number(wanted)) for wanted in condition.values if number(wanted) is not None)
