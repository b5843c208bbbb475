"""Product trees: the files of a product, with contents of the right size and a manifest that tells the truth."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from skyhaul.simulate import slots
from skyhaul.simulate.archive import Chain, Entry, zipped, zipped_size
from skyhaul.simulate.clock import SECOND_US, from_us, iso, stamp
from skyhaul.simulate.content import Inline, Loom
from skyhaul.simulate.manifests import DIGEST_NAMES, MANIFESTS, Listed, folders, manifest, positions
from skyhaul.simulate.missions.sentinel1 import Auxiliary, Sentinel1
from skyhaul.simulate.missions.sentinel2 import Sentinel2
from skyhaul.simulate.missions.sentinel3 import Olci
from skyhaul.simulate.nouns import SimFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skyhaul.simulate.content import Algorithm, Content
    from skyhaul.simulate.missions.base import Acquisition, Mission
    from skyhaul.simulate.nouns import WorldSettings
    from skyhaul.simulate.slots import Slot

UNSCALED_BYTES = 4096  # files up to here keep their real size, and none is made smaller
FULL_FACTORS = (1.0, 0.93, 0.86)
ALGORITHMS: dict[str, Algorithm] = {"SHA3-256": "sha3_256", "MD5": "md5"}
SINGLES = {
    "L2__NO2___": slots.Slot(path="{name}", size=460 * slots.MB),
    "AUX_POEORB": slots.Slot(path="{name}", size=4400 * slots.KB, root="Earth_Explorer_File"),
}
PACKED = (
    slots.Slot(path="manifest.safe", size=1900, root="XFDU"),
    slots.Slot(path="data/{stem}.xml", size=690 * slots.KB, root="auxiliaryInstrument"),
    slots.Slot(path="support/s1-aux-ins.xsd", size=31 * slots.KB, root="schema"),
)


@cache
def slots_of(mission: Mission) -> tuple[Slot, ...]:
    """The files in a product folder of a mission, the manifest aside; of a single-object product the one."""
    match mission:
        case Sentinel2(level=level):
            return slots.sentinel2(level)
        case Sentinel1(product_type=product_type):
            return slots.sentinel1(product_type)
        case Olci():
            return slots.olci()
        case _:
            return (SINGLES[mission.product_type],)


class Forest:
    """Grows the trees of one world; ``scale`` is the size of a file relative to a real one."""

    def __init__(self, settings: WorldSettings) -> None:
        self._loom = Loom.of(settings.seed)
        self._even = settings.object_bytes is not None
        self._scale = settings.scale if settings.object_bytes is None else scale_for(settings.object_bytes)
        self._manifest_sizes: dict[tuple[str, float], int] = {}
        self._zip_sizes: dict[tuple[str, float, int], int] = {}

    def files(self, take: Acquisition) -> tuple[SimFile, ...]:
        """The files of a product by path, the manifest among them."""
        mission, name = take.series.mission, take.series.mission.name(take)
        if isinstance(mission, Auxiliary) and not mission.precise_orbit:
            return (SimFile(path=f"{name}.zip", content=self._packed(take, name)),)
        found = [(slot, self._file(slot, take, name)) for slot in slots_of(mission)]
        if mission.single:
            return tuple(file for _, file in found)
        listed = [_listed(slot, file, take) for slot, file in found if slot.ident]
        text = manifest(take, listed).encode()
        files = [*(file for _, file in found), SimFile(path=MANIFESTS[mission.collection], content=Inline(text))]
        return tuple(sorted(files, key=lambda file: file.path))

    def content(self, take: Acquisition, files: Sequence[SimFile]) -> Content:
        """What ``$value`` serves, made of the files of ``take``."""
        mission = take.series.mission
        if mission.single:
            return files[0].content
        name = mission.name(take)
        contents: dict[str, Content] = {file.path: file.content for file in files}
        contents |= dict.fromkeys(["", *folders(contents, mission.collection)], Inline(b""))
        entries = [Entry(f"{name}/{path}", contents[path]) for path in sorted(contents)]
        return zipped(entries, from_us(take.processed_us))

    def content_length(self, take: Acquisition) -> int:
        """The size of ``content``, for the price of a look-up."""
        mission, factor = take.series.mission, self._factor(take)
        corners = 0 if mission.single else len(positions(take.series))
        key = (mission.key, factor, corners)
        if key not in self._zip_sizes:
            self._zip_sizes[key] = self._measure(take, corners)
        return self._zip_sizes[key]

    def _measure(self, take: Acquisition, corners: int) -> int:
        mission = take.series.mission
        if mission.single:
            return self.files(take)[0].size
        name = mission.name(take)
        sizes = {path: size for _, path, size in self._planned(take, name)}
        sizes[MANIFESTS[mission.collection]] = self._manifest_size(take, name) + corners
        sizes |= dict.fromkeys(["", *folders(sizes, mission.collection)], 0)
        return zipped_size([(f"{name}/{path}", sizes[path]) for path in sorted(sizes)])

    def _manifest_size(self, take: Acquisition, name: str) -> int:
        """Without the corners of the footprint."""
        mission = take.series.mission
        key = (mission.key, self._factor(take))
        if key not in self._manifest_sizes:
            digest = "0" * (64 if DIGEST_NAMES[mission.collection] == "SHA3-256" else 32)
            listed = [
                Listed(_ident(slot, take), slot.rep, slot.mime, path, size, digest)
                for slot, path, size in self._planned(take, name)
                if slot.ident
            ]
            self._manifest_sizes[key] = len(manifest(take, listed)) - len(positions(take.series))
        return self._manifest_sizes[key]

    def _planned(self, take: Acquisition, name: str) -> list[tuple[Slot, str, int]]:
        values = fields(take, name)
        return [
            (slot, slot.path.format(**values), max(self._size(slot, take), _text_size(slot, take, name)))
            for slot in slots_of(take.series.mission)
        ]

    def _file(self, slot: Slot, take: Acquisition, name: str) -> SimFile:
        mission = take.series.mission
        path = slot.path.format(**fields(take, name))
        content = self._content(slot, f"{mission.key}/{slot.path}", f"{name}/{path}", take)
        if not slot.ident:
            return SimFile(path=path, content=content)
        digest_name = DIGEST_NAMES[mission.collection]
        digest = content.digest(ALGORITHMS[digest_name])
        # Sentinel-2 processors write the digests of pictures in capitals.
        capitals = digest_name == "SHA3-256" and slot.mime == "application/octet-stream"
        return SimFile(
            path=path, content=content, digest_name=digest_name, digest=digest.upper() if capitals else digest
        )

    def _content(self, slot: Slot, slot_key: str, key: str, take: Acquisition) -> Content:
        size = self._size(slot, take)
        if slot.root:
            return self._loom.text(slot_key, size, *_document(slot.root, key.partition("/")[0], take))
        return self._loom.binary(slot_key, size, key, slots.MAGIC.get(key.rpartition(".")[2], b""))

    def _packed(self, take: Acquisition, name: str) -> Chain:
        stem = name.removesuffix(".SAFE").lower().replace("_", "-")
        entries = []
        for slot in PACKED:
            path = f"{name}/{slot.path.format(stem=stem)}"
            entries.append(Entry(path, self._content(slot, f"{take.series.mission.key}/{slot.path}", path, take)))
        return zipped(entries, from_us(take.processed_us))

    def _size(self, slot: Slot, take: Acquisition) -> int:
        if slot.size <= UNSCALED_BYTES:
            return slot.size
        return max(UNSCALED_BYTES, round(slot.size * self._scale * self._factor(take)))

    def _factor(self, take: Acquisition) -> float:
        """How large the product is among its kind: few values, for every one of them has prefixes of its own."""
        if self._even:
            return 1.0
        if take.series.coverage > 0.98:  # noqa: PLR2004 -- all of the tile
            return FULL_FACTORS[take.scene % len(FULL_FACTORS)]
        return max(1, round(take.series.coverage * 5)) / 5


def scale_for(object_bytes: int) -> float:
    """The scale at which a Sentinel-2 L2A tree is ``object_bytes`` in all, as near as its small files allow."""
    sizes = [slot.size for slot in slots.sentinel2("2A")]
    fixed = sum(size for size in sizes if size <= UNSCALED_BYTES) + 47_000  # and the manifest
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        total = fixed + sum(max(UNSCALED_BYTES, size * middle) for size in sizes if size > UNSCALED_BYTES)
        low, high = (middle, high) if total < object_bytes else (low, middle)
    return high


def fields(take: Acquisition, name: str) -> dict[str, str]:
    """What the paths of a product's slots are filled in with."""
    series = take.series
    match series.mission:
        case Sentinel2() as mission:
            # A granule is seen some seconds after its datatake began.
            seen = stamp(take.start_us + (1 + series.salt % 400) * SECOND_US)
            made = stamp(take.processed_us)
            return {
                "datastrip": f"DS_{mission.centre(take)}_{made}_S{seen}",
                "granule": f"L{mission.level}_T{series.place}_A{take.orbit:06}_{seen}",
                "image": f"T{series.place}_{stamp(take.start_us)}",
            }
        case Sentinel1() as mission:
            times = f"{stamp(take.start_us)}-{stamp(take.start_us + mission.duration_us)}".lower()
            return {
                "prefix": f"s1{series.satellite.unit.lower()}",
                "span": f"{times}-{take.orbit:06}-{mission.datatake(take):06x}",
            }
        case _:
            return {"name": name}


def _listed(slot: Slot, file: SimFile, take: Acquisition) -> Listed:
    return Listed(_ident(slot, take), slot.rep, slot.mime, file.path, file.size, file.digest)


def _ident(slot: Slot, take: Acquisition) -> str:
    values = fields(take, "")
    return slot.ident.format(**{name: value.replace("-", "") for name, value in values.items()})


def _document(root: str, name: str, take: Acquisition) -> tuple[bytes, bytes]:
    """How an XML file begins and how it ends; digits fit between."""
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>\n<VALUES>'
    text = (
        f"</VALUES>\n<PRODUCT_URI>{name}</PRODUCT_URI>\n"
        f"<PRODUCT_START_TIME>{iso(take.start_us)}</PRODUCT_START_TIME>\n</{root}>\n"
    )
    return head.encode(), text.encode()


def _text_size(slot: Slot, take: Acquisition, name: str) -> int:
    return sum(map(len, _document(slot.root, name, take))) if slot.root else 0
