"""Sentinel-2: one tile a product, two levels, processed and reprocessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from skyhaul.simulate.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, iso_second, stamp, to_us
from skyhaul.simulate.missions.base import (
    Acquisition,
    Edition,
    described,
    double,
    integer,
    moment,
    satellite,
    string,
    utc,
)
from skyhaul.simulate.orbits import Orbit

if TYPE_CHECKING:
    from skyhaul.simulate.missions.base import Series
    from skyhaul.simulate.nouns import Attribute, Value


S2_ORBIT = Orbit(cycle_days=10, revolutions=143, inclination_deg=98.62, node_deg=1.0)

# Sentinel-2C took over the place of 2A in the orbit; the dates are those of the handover, not of the launches.
S2_SATELLITES = (
    satellite("A", S2_ORBIT, first="2022-01-26T22:25:48.024", absolute=34461, since="2015-07-04", until="2025-01-21"),
    satellite("B", S2_ORBIT, first="2022-01-31T22:25:46.024", absolute=25624, since="2017-03-15"),
    satellite("C", S2_ORBIT, first="2022-01-26T22:25:48.025", absolute=-13614, since="2025-01-21"),
)


@dataclass(frozen=True, slots=True)
class Sentinel2:
    """Level ``1C`` or ``2A`` of the MultiSpectral Instrument, one tile a product."""

    level: str
    collection: ClassVar[str] = "SENTINEL-2"
    single: ClassVar[bool] = False

    # The first two rows are the reprocessed Collection-1, which replaced what was there before.
    BASELINES: ClassVar = (
        (0, "0500"),
        (to_us(utc("2022-01-01")), "0510"),
        (to_us(utc("2024-07-23")), "0511"),
    )
    COLLECTION_1_UNTIL_US: ClassVar[int] = to_us(utc("2023-12-13"))
    REPROCESSING_US: ClassVar[int] = to_us(utc("2024-01-10"))
    ORDER: ClassVar[tuple[str, ...]] = (
        *("origin", "tileId", "cloudCover", "datastripId", "orbitNumber", "sourceProduct", "processingDate"),
        *("productGroupId", "operationalMode", "processingLevel", "processorVersion", "granuleIdentifier"),
        *("platformShortName", "instrumentShortName", "relativeOrbitNumber", "sourceProductOriginDate"),
        *("platformSerialIdentifier", "productType", "beginningDateTime", "endingDateTime"),
    )

    @property
    def key(self) -> str:
        """As Mission."""
        return f"S2-{self.level}"

    @property
    def product_type(self) -> str:
        """As Mission."""
        return f"S2MSI{self.level}"

    @property
    def duration_us(self) -> int:
        """As Mission."""
        return 0

    def reprocessed(self, take: Acquisition) -> bool:
        """Whether the product belongs to the reprocessed Collection-1."""
        return take.start_us < self.COLLECTION_1_UNTIL_US

    def baseline(self, take: Acquisition) -> str:
        """The four digits of the name."""
        if take.edition is Edition.NEXT_BASELINE:
            return "0511"
        return next(baseline for since, baseline in reversed(self.BASELINES) if take.start_us >= since)

    def processed_us(self, take: Acquisition) -> int:
        """As Mission."""
        spread = take.mark % (3 * HOUR_US)
        if take.edition is Edition.NEXT_BASELINE:
            at = max(take.start_us, self.REPROCESSING_US) + 120 * DAY_US + 20 * spread
        elif self.reprocessed(take):
            at = self.REPROCESSING_US + 300 * spread
        else:
            at = take.start_us + (HOUR_US if self.level == "1C" else 3 * HOUR_US) + spread
        later = {Edition.REPEATED: 7 * HOUR_US, Edition.WITHDRAWN: -20 * MINUTE_US}.get(take.edition, 0)
        return (at + later) // SECOND_US * SECOND_US

    def name(self, take: Acquisition) -> str:
        """As Mission."""
        series = take.series
        return (
            f"S2{series.satellite.unit}_MSIL{self.level}_{stamp(take.start_us)}_N{self.baseline(take)}"
            f"_R{series.relative:03}_T{series.place}_{stamp(take.processed_us)}.SAFE"
        )

    def folder(self, take: Acquisition) -> str:
        """As Mission."""
        return f"Sentinel-2/MSI/L{self.level}{'_N0500' if self.reprocessed(take) else ''}"

    def centre(self, take: Acquisition) -> str:
        """Who processed it, as file names have it."""
        return "S2RP" if self.reprocessed(take) else f"2{take.series.satellite.unit}PS"

    def constants(self, series: Series) -> dict[str, tuple[str, Value]]:
        """As Mission."""
        return string(
            origin="ESA",
            tileId=series.place,
            operationalMode="INS-NOBS",
            processingLevel=self.product_type,
            platformShortName="SENTINEL-2",
            instrumentShortName="MSI",
            platformSerialIdentifier=series.satellite.unit,
            productType=self.product_type,
        ) | integer(relativeOrbitNumber=series.relative)

    def attributes(self, take: Acquisition) -> tuple[Attribute, ...]:
        """As Mission."""
        unit, orbit, processed_us = take.series.satellite.unit, take.orbit, take.processed_us
        baseline = self.baseline(take)
        version = f"{baseline[:2]}.{baseline[2:]}"
        opened = f"S2{unit}_OPER_MSI_L{self.level}"
        made = f"{self.centre(take)}_{stamp(processed_us)}"
        granule = f"{opened}_TL_{made}_A{orbit:06}_T{take.series.place}_N{version}"
        strip = f"{opened}_DS_{made}_S{stamp(take.start_us)}_N{version}"
        picture = f"{opened}_TC_{made}_A{orbit:06}_T{take.series.place}_N{version}.jp2"
        sources = [iso_second(processed_us // SECOND_US + n) for n in (905, 901, 906)]
        return described(
            take,
            double(cloudCover=take.cloud),
            integer(orbitNumber=orbit),
            moment(processingDate=processed_us),
            string(
                datastripId=strip,
                sourceProduct=f"{granule},{strip},{picture}",
                productGroupId=f"GS2{unit}_{stamp(take.start_us)}_{orbit:06}_N{version}",
                processorVersion=version,
                granuleIdentifier=granule,
                sourceProductOriginDate=",".join(sources),
            ),
        )
