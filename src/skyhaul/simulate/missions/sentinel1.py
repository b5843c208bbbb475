"""Sentinel-1: slices of interferometric wide swath, and the single objects of its auxiliary data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from skyhaul.simulate.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, stamp
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


S1_ORBIT = Orbit(cycle_days=12, revolutions=175, inclination_deg=98.18, node_deg=0.7)
S1_SATELLITES = (
    satellite("A", S1_ORBIT, first="2024-08-01T18:00:49.018", absolute=55023, since="2014-10-03"),
    satellite("C", S1_ORBIT, first="2025-12-24T17:59:35.110", absolute=5597, since="2025-03-26"),
)


@dataclass(frozen=True, slots=True)
class Sentinel1:
    """``IW_GRDH_1S``, ``IW_GRDH_1S-COG`` or ``IW_SLC__1S``, both polarisations, one slice a product."""

    product_type: str
    collection: ClassVar[str] = "SENTINEL-1"
    single: ClassVar[bool] = False
    SLICE_US: ClassVar[int] = 25 * SECOND_US
    ORDER: ClassVar[tuple[str, ...]] = (
        *("origin", "datatakeID", "timeliness", "cycleNumber", "orbitNumber", "sliceNumber", "totalSlices"),
        *("productClass", "processorName", "orbitDirection", "processingDate", "operationalMode"),
        *("processingLevel", "swathIdentifier", "processingCenter", "processorVersion", "segmentStartTime"),
        *("sliceProductFlag", "platformShortName", "productComposition", "instrumentShortName"),
        *("relativeOrbitNumber", "polarisationChannels", "platformSerialIdentifier", "instrumentConfigurationID"),
        *("startTimeFromAscendingNode", "completionTimeFromAscendingNode", "productType"),
        *("beginningDateTime", "endingDateTime"),
    )

    @property
    def key(self) -> str:
        """As Mission."""
        return self.product_type

    @property
    def slc(self) -> bool:
        """Whether this is the complex form."""
        return self.product_type.startswith("IW_SLC")

    @property
    def cog(self) -> bool:
        """Whether this is the cloud-optimised copy."""
        return self.product_type.endswith("-COG")

    @property
    def duration_us(self) -> int:
        """As Mission."""
        return self.SLICE_US + 2_800_000 if self.slc else self.SLICE_US - 1000

    def processed_us(self, take: Acquisition) -> int:
        """As Mission."""
        return take.start_us + 55 * MINUTE_US + take.scene % (2 * HOUR_US)

    def datatake(self, take: Acquisition) -> int:
        """The number that the slices of one pass share."""
        return take.orbit * 8 + take.series.relative % 7

    def name(self, take: Acquisition) -> str:
        """As Mission."""
        kind = self.product_type[3:7]
        stop_us = take.start_us + self.duration_us
        return (
            f"S1{take.series.satellite.unit}_IW_{kind}_1SDV_{stamp(take.start_us)}_{stamp(stop_us)}"
            f"_{take.orbit:06}_{self.datatake(take):06X}_{take.mark & 0xFFFF:04X}{'_COG' if self.cog else ''}.SAFE"
        )

    def folder(self, _take: Acquisition) -> str:
        """As Mission."""
        return f"Sentinel-1/SAR/{self.product_type}"

    def constants(self, series: Series) -> dict[str, tuple[str, Value]]:
        """As Mission."""
        start_ms = int(series.second * 1000)
        return (
            string(
                origin="CLOUDFERRO" if self.cog else "ESA",
                timeliness="Fast-24h",
                productClass="S",
                processorName="Sentinel-1 IPF",
                orbitDirection="ASCENDING" if series.ascending else "DESCENDING",
                operationalMode="IW",
                processingLevel="LEVEL1",
                swathIdentifier="IW1 IW2 IW3" if self.slc else "IW",
                processingCenter="Production Service-SERCO",
                processorVersion="003.80",
                platformShortName="SENTINEL-1",
                productComposition="Slice",
                instrumentShortName="SAR",
                polarisationChannels="VV&VH",
                platformSerialIdentifier=series.satellite.unit,
                productType=self.product_type,
            )
            | integer(sliceNumber=3, totalSlices=9, relativeOrbitNumber=series.relative, instrumentConfigurationID=7)
            | double(startTimeFromAscendingNode=start_ms, completionTimeFromAscendingNode=start_ms + 25_000)
            | {"sliceProductFlag": ("Boolean", False)}
        )

    def attributes(self, take: Acquisition) -> tuple[Attribute, ...]:
        """As Mission."""
        return described(
            take,
            integer(
                datatakeID=self.datatake(take),
                orbitNumber=take.orbit,
                cycleNumber=320 + take.series.satellite.cycle(take.start_us),
            ),
            moment(processingDate=take.processed_us, segmentStartTime=take.start_us - 2 * self.SLICE_US - 3_300_000),
        )


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """``AUX_POEORB``, ``AUX_INS`` or ``AUX_CAL`` of Sentinel-1: single objects without a footprint."""

    product_type: str
    collection: ClassVar[str] = "SENTINEL-1"
    single: ClassVar[bool] = True
    ORDER: ClassVar[tuple[str, ...]] = (
        *("origin", "processingDate", "processingCenter", "platformShortName", "productGeneration"),
        *("instrumentShortName", "platformSerialIdentifier", "productType", "beginningDateTime", "endingDateTime"),
    )

    @property
    def key(self) -> str:
        """As Mission."""
        return self.product_type

    @property
    def precise_orbit(self) -> bool:
        """Whether this is an orbit file rather than a packed folder."""
        return self.product_type == "AUX_POEORB"

    @property
    def duration_us(self) -> int:
        """As Mission."""
        return 26 * HOUR_US if self.precise_orbit else 0

    def processed_us(self, take: Acquisition) -> int:
        """As Mission."""
        wait = 21 * DAY_US if self.precise_orbit else 2 * DAY_US
        return (take.start_us + wait + take.mark % (6 * HOUR_US)) // SECOND_US * SECOND_US

    def name(self, take: Acquisition) -> str:
        """As Mission."""
        unit, made = take.series.satellite.unit, stamp(take.processed_us)
        if self.precise_orbit:
            stop_us = take.start_us + self.duration_us
            return f"S1{unit}_OPER_{self.product_type}_OPOD_{made}_V{stamp(take.start_us)}_{stamp(stop_us)}.EOF"
        return f"S1{unit}_{self.product_type}_V{stamp(take.start_us)}_G{made}.SAFE"

    def folder(self, _take: Acquisition) -> str:
        """As Mission."""
        return f"Sentinel-1/AUX/{self.product_type}"

    def constants(self, series: Series) -> dict[str, tuple[str, Value]]:
        """As Mission."""
        return string(
            origin="ESA",
            processingCenter="OPOD" if self.precise_orbit else "CLS-Brest",
            platformShortName="SENTINEL-1",
            instrumentShortName="AUX",
            platformSerialIdentifier=series.satellite.unit,
            productType=self.product_type,
        )

    def attributes(self, take: Acquisition) -> tuple[Attribute, ...]:
        """As Mission."""
        made_us = take.processed_us
        return described(take, moment(processingDate=made_us, productGeneration=made_us))
