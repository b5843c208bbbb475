"""Sentinel-3: frames of the ocean and land colour instrument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from skyhaul.simulate.clock import HOUR_US, SECOND_US, stamp
from skyhaul.simulate.missions.base import (
    Acquisition,
    described,
    double,
    integer,
    moment,
    satellite,
    string,
)
from skyhaul.simulate.orbits import Orbit

if TYPE_CHECKING:
    from skyhaul.simulate.missions.base import Series
    from skyhaul.simulate.nouns import Attribute, Value


S3_ORBIT = Orbit(cycle_days=27, revolutions=385, inclination_deg=98.65, node_deg=0.1)
S3_SATELLITES = (
    satellite("A", S3_ORBIT, first="2024-04-02T21:57:47.510", absolute=42321, since="2016-04-01"),
    satellite("B", S3_ORBIT, first="2024-04-12T21:59:55.973", absolute=31073, since="2018-05-01"),
)


@dataclass(frozen=True, slots=True)
class Olci:
    """``OL_1_EFR___`` of Sentinel-3, in frames of three minutes; near real time (``NR``) or not (``NT``)."""

    timeliness: str
    collection: ClassVar[str] = "SENTINEL-3"
    product_type: ClassVar[str] = "OL_1_EFR___"
    single: ClassVar[bool] = False
    FRAME_S: ClassVar[int] = 180
    ORDER: ClassVar[tuple[str, ...]] = (
        *("timeliness", "brightCover", "cycleNumber", "orbitNumber", "coastalCover", "processorName"),
        *("orbitDirection", "processingDate", "operationalMode", "processingLevel", "processorVersion"),
        *("salineWaterCover", "tidalRegionCover", "platformShortName", "baselineCollection", "instrumentShortName"),
        *("relativeOrbitNumber", "freshInlandWaterCover", "platformSerialIdentifier", "productType"),
        *("beginningDateTime", "endingDateTime"),
    )

    @property
    def key(self) -> str:
        """As Mission."""
        return f"{self.product_type}{self.timeliness}"

    @property
    def duration_us(self) -> int:
        """As Mission."""
        return self.FRAME_S * SECOND_US

    def processed_us(self, take: Acquisition) -> int:
        """As Mission."""
        wait = 2 * HOUR_US if self.timeliness == "NR" else 26 * HOUR_US
        return (take.start_us + wait + take.mark % HOUR_US) // SECOND_US * SECOND_US

    def cycle(self, take: Acquisition) -> int:
        """The repeat cycle, counted as the mission does."""
        offset = 111 if take.series.satellite.unit == "A" else 92
        return offset + take.series.satellite.cycle(take.start_us)

    def name(self, take: Acquisition) -> str:
        """As Mission."""
        series, stop_us = take.series, take.start_us + self.duration_us
        centre = "PS1" if series.satellite.unit == "A" else "PS2"
        return (
            f"S3{series.satellite.unit}_{self.product_type}_{stamp(take.start_us)}_{stamp(stop_us)}"
            f"_{stamp(take.processed_us)}_0179_{self.cycle(take):03}_{series.relative:03}"
            f"_{int(series.second):04}_{centre}_O_{self.timeliness}_004.SEN3"
        )

    def folder(self, _take: Acquisition) -> str:
        """As Mission."""
        return f"Sentinel-3/OLCI/{self.product_type}"

    def constants(self, series: Series) -> dict[str, tuple[str, Value]]:
        """As Mission."""
        return string(
            timeliness=self.timeliness,
            processorName="PUG",
            orbitDirection="DESCENDING",
            operationalMode="Earth Observation",
            processingLevel="1",
            processorVersion="03.51",
            platformShortName="SENTINEL-3",
            baselineCollection="004",
            instrumentShortName="OLCI",
            platformSerialIdentifier=series.satellite.unit,
            productType=self.product_type,
        ) | integer(relativeOrbitNumber=series.relative)

    def attributes(self, take: Acquisition) -> tuple[Attribute, ...]:
        """As Mission."""
        sea = float(take.series.salt % 90)
        return described(
            take,
            double(
                brightCover=float(round(take.cloud)),
                coastalCover=1.0,
                salineWaterCover=sea,
                tidalRegionCover=0.0,
                freshInlandWaterCover=2.0,
            ),
            integer(cycleNumber=self.cycle(take), orbitNumber=take.orbit),
            moment(processingDate=take.processed_us),
        )
