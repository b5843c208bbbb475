"""Where the satellites were: sun-synchronous repeat orbits, their passes and the ground their instruments see.

A spherical model. Its constants were fitted to the footprints and names of published products; it puts swath
edges within a few kilometres and passes within a minute of the real ones, which is what makes relative orbit,
tile, sensing time and partial footprint of a simulated product agree with each other.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from skyhaul.simulate.clock import DAY_US, SECOND_US, to_us

if TYPE_CHECKING:
    from collections.abc import Iterator

EARTH_RADIUS_KM = 6371.0
Point = tuple[float, float]  # longitude, latitude in degrees


@dataclass(frozen=True, slots=True, kw_only=True)
class Orbit:
    """A repeat cycle of ``revolutions`` orbits in ``cycle_days``, numbered from 1 as the mission does.

    ``node_deg`` is the longitude at which relative orbit 1 crosses the equator northward. Positions on an orbit
    are its argument of latitude in degrees: 0 at that crossing, 90 at the northernmost point, 180 southward.
    """

    cycle_days: int
    revolutions: int
    inclination_deg: float
    node_deg: float

    @property
    def period_s(self) -> float:
        """Of one orbit."""
        return self.cycle_days * 86400 / self.revolutions

    @property
    def drift_deg(self) -> float:
        """How far west the next orbit crosses the equator."""
        return 360 * self.cycle_days / self.revolutions

    def position(self, relative: int, argument_deg: float) -> Point:
        """The point below the satellite; the longitude lies in -180..180."""
        inclination, argument = math.radians(self.inclination_deg), math.radians(argument_deg)
        latitude = math.asin(math.sin(inclination) * math.sin(argument))
        along = math.atan2(math.cos(inclination) * math.sin(argument), math.cos(argument))
        node = self.node_deg - (relative - 1) * self.drift_deg
        return wrapped(node + math.degrees(along) - self.drift_deg * argument_deg / 360), math.degrees(latitude)

    def heading(self, relative: int, argument_deg: float) -> float:
        """Clockwise from north, in degrees."""
        return bearing(self.position(relative, argument_deg), self.position(relative, argument_deg + 0.01))

    def argument(self, latitude: float, *, ascending: bool) -> float:
        """Where on the orbit ``latitude`` is crossed, on the northward or on the southward half."""
        angle = math.degrees(math.asin(math.sin(math.radians(latitude)) / math.sin(math.radians(self.inclination_deg))))
        return angle if ascending else 180 - angle

    def argument_at(self, seconds: float) -> float:
        """Where the satellite is, so long after the ascending node."""
        return 360 * seconds / self.period_s

    def seconds_at(self, argument_deg: float) -> float:
        """How long after the ascending node the satellite is there."""
        return self.period_s * argument_deg / 360

    def right_of(self, relative: int, argument_deg: float, km: float) -> Point:
        """The point ``km`` to the right of the track; to the left when negative."""
        below = self.position(relative, argument_deg)
        return destination(below, self.heading(relative, argument_deg) + 90, km)

    def swath(
        self, relative: int, first_deg: float, last_deg: float, across_km: tuple[float, float], *, points: int
    ) -> list[Point]:
        """The closed ring seen between two arguments, ``across_km`` to the right of the track (negative: left).

        Longitudes run on without a jump, so they may leave -180..180; ``points`` is the number along each side.
        """
        steps = [first_deg + (last_deg - first_deg) * n / (points - 1) for n in range(points)]
        left = [self.right_of(relative, step, across_km[0]) for step in steps]
        right = [self.right_of(relative, step, across_km[1]) for step in reversed(steps)]
        return continuous([*left, *right, left[0]])


@dataclass(frozen=True, kw_only=True)
class Satellite:
    """One platform in its orbit: ``first`` is when it began relative orbit 1 of a cycle, with absolute orbit ``absolute``."""

    unit: str
    orbit: Orbit
    first: dt.datetime
    absolute: int
    since: dt.datetime
    until: dt.datetime = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)

    def passes(self, relative: int, seconds: float, start: dt.datetime, end: dt.datetime) -> Iterator[dt.datetime]:
        """When the satellite was ``seconds`` into ``relative``, within the half-open span, once per cycle."""
        start, end = max(start, self.since), min(end, self.until)
        cycle = dt.timedelta(days=self.orbit.cycle_days)
        at = self.first + dt.timedelta(seconds=(relative - 1) * self.orbit.period_s + seconds)
        at += cycle * math.ceil((start - at) / cycle)
        while at < end:
            yield at
            at += cycle

    @cached_property
    def first_us(self) -> int:
        """``first`` in microseconds since 1970."""
        return to_us(self.first)

    def absolute_orbit(self, at_us: int) -> int:
        """Counted from launch; it changes at the ascending node."""
        return self.absolute + int((at_us - self.first_us) // (self.orbit.period_s * SECOND_US))

    def cycle(self, at_us: int) -> int:
        """Counted from ``first``."""
        return (at_us - self.first_us) // (self.orbit.cycle_days * DAY_US)


def wrapped(longitude: float) -> float:
    """The same longitude in -180..180."""
    return (longitude + 180) % 360 - 180


def continuous(ring: list[Point]) -> list[Point]:
    """The same ring with each longitude within half a turn of the one before."""
    result = [ring[0]]
    for longitude, latitude in ring[1:]:
        before = result[-1][0]
        result.append((before + wrapped(longitude - before), latitude))
    return result


def bearing(origin: Point, target: Point) -> float:
    """The course from one point to another, clockwise from north, in degrees."""
    turn = math.radians(target[0] - origin[0])
    south, north = math.radians(origin[1]), math.radians(target[1])
    east = math.sin(turn) * math.cos(north)
    up = math.cos(south) * math.sin(north) - math.sin(south) * math.cos(north) * math.cos(turn)
    return math.degrees(math.atan2(east, up))


def destination(origin: Point, bearing_deg: float, km: float) -> Point:
    """The point reached from another on a course."""
    distance, course = km / EARTH_RADIUS_KM, math.radians(bearing_deg)
    south = math.radians(origin[1])
    latitude = math.asin(math.sin(south) * math.cos(distance) + math.cos(south) * math.sin(distance) * math.cos(course))
    turn = math.atan2(
        math.sin(course) * math.sin(distance) * math.cos(south),
        math.cos(distance) - math.sin(south) * math.sin(latitude),
    )
    return wrapped(origin[0] + math.degrees(turn)), math.degrees(latitude)


def distance_km(one: Point, other: Point) -> float:
    """Along the surface."""
    south, north = math.radians(one[1]), math.radians(other[1])
    turn = math.radians(other[0] - one[0])
    cosine = math.sin(south) * math.sin(north) + math.cos(south) * math.cos(north) * math.cos(turn)
    return EARTH_RADIUS_KM * math.acos(min(1.0, max(-1.0, cosine)))
