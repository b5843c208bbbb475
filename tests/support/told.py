"""A run that is told step by step: its clock stands still until it is moved."""

from __future__ import annotations

from dataclasses import dataclass, field

from skyhaul.events import (
    Flow,
    Meter,
    ProductExpanded,
    ProductFinished,
    ProductFound,
    RunStarted,
    SliceFinished,
    SlicePlanned,
    TransferFinished,
    TransferStarted,
)
from skyhaul.model import ProductResult
from skyhaul.observe.bus import Bus
from skyhaul.observe.watch import Clocks, View, Watch

START_S = 1_720_879_200.0  # 2024-07-13T14:00:00Z
NAME = "S2A_MSIL2A_20240713T101031_N0510_R022_T32TQR_20240713T160000.SAFE"
MB, GB = 10**6, 10**9


def name_of(product: int) -> str:
    """Products differ in their last digits; the first has :data:`NAME`."""
    return NAME.replace("160000", f"16{product:04d}")


@dataclass
class Told:
    """Bus, meter and watch of a run, and the few things that happen in one."""

    bus: Bus = field(default_factory=Bus)
    meter: Meter = field(default_factory=Meter)
    passed_s: float = 0.0
    cpu_s: float = 0.0
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        clocks = Clocks(monotonic_s=lambda: self.passed_s, epoch_s=lambda: self.now_s, cpu_s=lambda: self.cpu_s)
        self.watch = Watch(self.bus, self.meter, clocks)

    @property
    def now_s(self) -> float:
        return START_S + self.passed_s

    def start(self, connections: int = 4, bytes_per_s: float | None = 20e6, **limits: int) -> None:
        title = "SENTINEL-2 S2MSI2A  2024-04-01 to 2024-09-30  po-valley.geojson"
        self.bus.emit(
            RunStarted(
                at_s=self.now_s,
                provider="cdse",
                title=title,
                destination="/data/archive",
                connections=connections,
                bytes_per_s=bytes_per_s,
                **limits,
            )
        )

    def find(self, count: int, size: int | None = GB, first: int = 0) -> None:
        for index in range(first, first + count):
            self.bus.emit(ProductFound(product=str(index), name=name_of(index), size=size))

    def read_catalogue(self, products: int) -> None:
        self.bus.emit(SlicePlanned(slice="all"))
        self.bus.emit(SliceFinished(slice="all", products=products))

    def begin(self, product: int, objects: int = 1, size: int = GB) -> Flow:
        self.bus.emit(
            ProductExpanded(
                product=str(product), name=name_of(product), route="s3", objects=objects, bytes=size, size=size
            )
        )
        return self.transfer(product, "IMG_DATA/B04_10m.jp2", size // objects)

    def transfer(self, product: int, path: str, size: int) -> Flow:
        name = name_of(product)
        self.bus.emit(TransferStarted(product=name, path=path, size=size, offset=0))
        flow = Flow(product=name, path=path, route="s3", size=size, started_s=self.passed_s)
        self.meter.flows[name, path] = flow
        self.meter.streams += 1
        return flow

    def finish_transfer(self, flow: Flow) -> None:
        assert flow.size is not None
        self.meter.received(flow, flow.size - flow.done)
        del self.meter.flows[flow.product, flow.path]
        self.meter.streams -= 1
        finished = TransferFinished(product=flow.product, path=flow.path, bytes=flow.size, seconds=1.0, level="blake3")
        self.bus.emit(finished)

    def end(self, product: int, state: str = "verified", size: int = GB, **more: str) -> None:
        result = ProductResult(id=str(product), name=name_of(product), state=state, bytes=size, seconds=50.0, **more)  # type: ignore[arg-type]  # a state
        self.bus.emit(ProductFinished(at_s=self.now_s, result=result))

    def let_pass(self, seconds: float, bytes_per_s: float = 0.0, late_s: float = 0.0) -> View:
        """Move the clock, quarter by quarter of a second; the flows share the bytes."""
        view = self.watch.look()
        for _ in range(int(seconds * 4)):
            self.passed_s += 0.25
            for flow in self.meter.flows.values():
                self.meter.received(flow, int(bytes_per_s / 4 / len(self.meter.flows)))
            view = self.watch.look(late_s)
        return view
