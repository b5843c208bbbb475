"""Sentinel-5P: nitrogen dioxide, one file an orbit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from skyhaul.simulate.clock import HOUR_US, SECOND_US, stamp
from skyhaul.simulate.missions.base import (
    Acquisition,
    described,
    integer,
    moment,
    satellite,
    string,
)
from skyhaul.simulate.orbits import Orbit

if TYPE_CHECKING:
    from skyhaul.simulate.missions.base import Series
    from skyhaul.simulate.nouns import Attribute, Value


S5P_ORBIT = Orbit(cycle_days=16, revolutions=227, inclination_deg=98.74, node_deg=4.5)
S5P_SATELLITES = (satellite("P", S5P_ORBIT, first="2024-04-10T13:12:00.300", absolute=33641, since="2018-04-30"),)


@dataclass(frozen=True, slots=True)
class Tropomi:
    """``L2__NO2___`` of Sentinel-5P, offline stream: one netCDF file an orbit."""

    collection: ClassVar[str] = "SENTINEL-5P"
    product_type: ClassVar[str] = "L2__NO2___"
    key: ClassVar[str] = "L2__NO2___"
    single: ClassVar[bool] = True
    ORDER: ClassVar[tuple[str, ...]] = (
        *("doi", "identifier", "orbitNumber", "productClass", "qualityStatus", "processorName", "processingDate"),
        *("processingMode", "acquisitionType", "processingLevel", "parentIdentifier", "processingCenter"),
        *("processorVersion", "platformShortName", "baselineCollection", "instrumentShortName"),
        *("processingBaseline", "platformSerialIdentifier", "productType", "beginningDateTime", "endingDateTime"),
    )

    @property
    def duration_us(self) -> int:
        """As Mission."""
        return int(S5P_ORBIT.period_s) * SECOND_US

    def processed_us(self, take: Acquisition) -> int:
        """As Mission."""
        return (take.start_us + 40 * HOUR_US + take.mark % (4 * HOUR_US)) // SECOND_US * SECOND_US

    def name(self, take: Acquisition) -> str:
        """As Mission."""
        stop_us = take.start_us + self.duration_us
        return (
            f"S5P_OFFL_{self.product_type}_{stamp(take.start_us)}_{stamp(stop_us)}_{take.orbit:05}"
            f"_03_020600_{stamp(take.processed_us)}.nc"
        )

    def folder(self, _take: Acquisition) -> str:
        """As Mission."""
        return f"Sentinel-5P/TROPOMI/{self.product_type}"

    def constants(self, series: Series) -> dict[str, tuple[str, Value]]:
        """As Mission."""
        return string(
            doi="10.5270/S5P-9bnp8q8",
            productClass="OFFL",
            qualityStatus="Nominal",
            processorName="TROPOMI L01b Processor",
            processingMode="OFFL",
            acquisitionType="NOMINAL",
            processingLevel="L2",
            parentIdentifier="urn:ogc:def:EOP:ESA:SENTINEL.S5P_TROP_L2__NO2___",
            processingCenter="PDGS-OP",
            processorVersion="020600",
            platformShortName="SENTINEL-5P",
            baselineCollection="03",
            instrumentShortName="TROPOMI",
            processingBaseline="03.00",
            platformSerialIdentifier=series.satellite.unit,
            productType=self.product_type,
        )

    def attributes(self, take: Acquisition) -> tuple[Attribute, ...]:
        """As Mission."""
        return described(
            take,
            string(identifier=self.name(take).removesuffix(".nc")),
            integer(orbitNumber=take.orbit),
            moment(processingDate=take.processed_us),
        )
