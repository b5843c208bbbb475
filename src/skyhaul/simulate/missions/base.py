"""What the missions have in common: series of acquisitions, and the contract of a mission."""

from __future__ import annotations

import datetime as dt
import math
import zlib
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, ClassVar, Protocol

from skyhaul.simulate.clock import iso, scramble
from skyhaul.simulate.orbits import Orbit, Satellite

if TYPE_CHECKING:
    from skyhaul.simulate.nouns import Attribute, Geometry, Value


def utc(text: str) -> dt.datetime:
    """The time of an ISO string without zone."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def satellite(
    unit: str, orbit: Orbit, *, first: str, absolute: int, since: str, until: str = "9999-01-01"
) -> Satellite:
    """A satellite from ISO strings, see ``Satellite``."""
    return Satellite(unit=unit, orbit=orbit, first=utc(first), absolute=absolute, since=utc(since), until=utc(until))


class Edition(IntEnum):
    """Which processing of an acquisition a product is."""

    FIRST = 0
    NEXT_BASELINE = 1  # reprocessed months later with a newer processor
    REPEATED = 2  # processed again within hours, same baseline
    WITHDRAWN = 3  # superseded and deleted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """What the products of one mission, satellite, place and relative orbit share.

    ``second`` counts from the northward equator crossing to the start of sensing.
    """

    mission: Mission
    satellite: Satellite
    place: str
    relative: int = 0
    second: float = 0.0
    ascending: bool = False
    footprint: Geometry | None = None
    coverage: float = 1.0
    salt: int = field(init=False)
    ground: int = field(init=False)

    def __post_init__(self) -> None:
        ground = zlib.crc32(self.place.encode())
        object.__setattr__(self, "ground", ground << 32)
        object.__setattr__(self, "salt", scramble(ground << 32 | zlib.crc32(self.mission.key.encode())))


@dataclass(frozen=True)
class Acquisition:
    """One pass of a series, processed as one edition; the start is in microseconds since 1970."""

    series: Series
    start_us: int
    edition: Edition = Edition.FIRST

    @property
    def mark(self) -> int:
        """64 bits that are this product's own."""
        return scramble(self.start_us ^ self.series.salt ^ self.edition << 60)

    @cached_property
    def processed_us(self) -> int:
        """When the product was made, in microseconds since 1970."""
        return self.series.mission.processed_us(self)

    @property
    def scene(self) -> int:
        """64 bits that all products of this pass over this place share."""
        return scramble(self.start_us ^ self.series.ground)

    @property
    def orbit(self) -> int:
        """The absolute orbit."""
        return self.series.satellite.absolute_orbit(self.start_us)

    @property
    def cloud(self) -> float:
        """Percent; clear and overcast skies are more frequent than anything between."""
        return round(50 - 50 * math.cos(math.pi * (self.scene >> 11) / 2**53), 12)


class Mission(Protocol):
    """One product type of one mission; ``ORDER`` names its attributes in the order of the catalogue."""

    ORDER: ClassVar[tuple[str, ...]]

    def __hash__(self) -> int: ...

    @property
    def key(self) -> str:
        """Tells missions apart; stable, for contents depend on it."""
        ...

    @property
    def collection(self) -> str:
        """The catalogue's collection."""
        ...

    @property
    def product_type(self) -> str:
        """The catalogue's product type."""
        ...

    @property
    def single(self) -> bool:
        """Whether a product is one object rather than a folder."""
        ...

    @property
    def duration_us(self) -> int:
        """From start to end of sensing, as the catalogue has it."""
        ...

    def processed_us(self, take: Acquisition, /) -> int:
        """When the product was made, in microseconds since 1970."""
        ...

    def name(self, take: Acquisition, /) -> str:
        """The product's name with its suffix."""
        ...

    def folder(self, take: Acquisition, /) -> str:
        """The key prefix above the date, without a slash at its end."""
        ...

    def constants(self, series: Series, /) -> dict[str, tuple[str, Value]]:
        """The attributes, with their types, that all products of a series share."""
        ...

    def attributes(self, take: Acquisition, /) -> tuple[Attribute, ...]:
        """All attributes in the order of the catalogue."""
        ...


def string(**values: str) -> dict[str, tuple[str, Value]]:
    """Attributes of type String."""
    return {name: ("String", value) for name, value in values.items()}


def integer(**values: int) -> dict[str, tuple[str, Value]]:
    """Attributes of type Integer."""
    return {name: ("Integer", value) for name, value in values.items()}


def double(**values: float) -> dict[str, tuple[str, Value]]:
    """Attributes of type Double, which may hold whole numbers."""
    return {name: ("Double", value) for name, value in values.items()}


def moment(**values_us: int) -> dict[str, tuple[str, Value]]:
    """Attributes of type DateTimeOffset, from microseconds since 1970."""
    return {name: ("DateTimeOffset", iso(at_us)) for name, at_us in values_us.items()}


def described(take: Acquisition, *varying: dict[str, tuple[str, Value]]) -> tuple[Attribute, ...]:
    """All attributes of a product: those its series share, the sensing times, and ``varying``."""
    stop_us = take.start_us + take.series.mission.duration_us
    values = moment(beginningDateTime=take.start_us, endingDateTime=stop_us)
    for more in varying:
        values |= more
    return tuple([shared or (name, *values[name]) for name, shared in frame(take.series)])


@lru_cache(maxsize=2048)
def frame(series: Series) -> tuple[tuple[str, Attribute | None], ...]:
    """The names of the attributes in the catalogue's order, each with the attribute that the series shares, if it does."""
    constants = series.mission.constants(series)
    return tuple((name, (name, *constants[name]) if name in constants else None) for name in series.mission.ORDER)
