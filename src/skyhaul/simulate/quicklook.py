"""Pictures of places that do not exist: real JPEG and PNG files, written without an imaging library.

The JPEG is baseline and holds one colour per block of 8 x 8 pixels: only the mean of each block is coded, and one
symbol says that nothing follows it.
"""

from __future__ import annotations

import math
import random
import struct
import zlib
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOCKS = 43  # of 8 pixels: 344 pixels, one more than quicklooks of Sentinel-2 have
Colour = tuple[int, int, int]
# Bits of the DC code lengths 1..16 and the categories in order, as in annex K of the JPEG standard.
DC_LENGTHS = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
DC_CODES = ("00", "010", "011", "100", "101", "110", "1110", "11110", "111110", "1111110", "11111110", "111111110")
END_OF_BLOCK = "0"


def picture(scene: int, cloud: float, *, radar: bool) -> tuple[bytes, str]:
    """The quicklook of a scene and its content type: PNG in grey for radar, JPEG in colour otherwise."""
    heights = relief(random.Random(scene))  # noqa: S311 -- a landscape, no secret
    if radar:
        return png([[round(40 + 180 * height) for height in line] for line in heights]), "image/png"
    clouds = relief(random.Random(scene + 1))  # noqa: S311
    pixels = [
        [ground(height) if vapour > cloud / 100 else (235, 238, 240) for height, vapour in zip(*lines, strict=True)]
        for lines in zip(heights, clouds, strict=True)
    ]
    return jpeg(pixels), "image/jpeg"


def relief(rng: random.Random) -> list[list[float]]:
    """Smooth hills between 0 and 1, of equal frequency at every height."""
    waves = [(rng.uniform(-1, 1) * n, rng.uniform(-1, 1) * n, rng.uniform(0, 6.3), 1 / n) for n in (1, 1, 2, 3, 5, 8)]
    raw = [
        [
            sum(size * math.sin(0.15 * (across * x + down * y) + phase) for across, down, phase, size in waves)
            for x in range(BLOCKS)
        ]
        for y in range(BLOCKS)
    ]
    ranks = {value: n for n, value in enumerate(sorted(value for line in raw for value in line))}
    return [[ranks[value] / BLOCKS**2 for value in line] for line in raw]


def ground(height: float) -> Colour:
    """Water, fields, woods, rock."""
    if height < 0.2:  # noqa: PLR2004 -- a map legend
        return 20, 40, 70
    return round(50 + 120 * height), round(95 + 50 * height), round(45 + 60 * height)


def jpeg(pixels: list[list[Colour]]) -> bytes:
    """A baseline JPEG that shows each colour as a block of 8 x 8 pixels."""
    height, width = 8 * len(pixels), 8 * len(pixels[0])
    components = b"".join(bytes([n, 0x11, 0]) for n in (1, 2, 3))
    selectors = b"".join(bytes([n, 0x00]) for n in (1, 2, 3))
    segments = [
        b"\xff\xd8",
        _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
        _segment(0xDB, b"\x00" + bytes([8] * 64)),
        _segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + components),
        _segment(0xC4, b"\x00" + DC_LENGTHS + bytes(range(12))),
        _segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\x00"),
        _segment(0xDA, b"\x03" + selectors + b"\x00\x3f\x00"),
        _entropy(_blocks(pixels)),
        b"\xff\xd9",
    ]
    return b"".join(segments)


def png(pixels: list[list[int]]) -> bytes:
    """A grey PNG that shows each value as a block of 8 x 8 pixels."""
    lines = [b"\x00" + b"".join(bytes([value]) * 8 for value in line) for line in pixels for _ in range(8)]
    header = struct.pack(">IIBBBBB", 8 * len(pixels[0]), 8 * len(pixels), 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _blocks(pixels: list[list[Colour]]) -> Iterator[str]:
    """The bits of every block: the step of its mean from the block before, per component, and the end."""
    before = [0, 0, 0]
    for y, x in product(range(len(pixels)), range(len(pixels[0]))):
        for n, level in enumerate(_ycc(pixels[y][x])):
            yield _step(level - before[n]) + END_OF_BLOCK
            before[n] = level


def _step(value: int) -> str:
    size = abs(value).bit_length()
    bits = value if value >= 0 else value + (1 << size) - 1
    return DC_CODES[size] + (f"{bits:0{size}b}" if size else "")


def _ycc(colour: Colour) -> Colour:
    """Luminance and two colour differences around 0; a mean of 1 is 8 in the transform, and 1 after quantisation by 8."""
    red, green, blue = colour
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue
    return round(luminance - 128), round(0.564 * (blue - luminance)), round(0.713 * (red - luminance))


def _entropy(bits: Iterable[str]) -> bytes:
    stream = "".join(bits)
    stream += "1" * (-len(stream) % 8)
    body = int(stream, 2).to_bytes(len(stream) // 8, "big")
    return body.replace(b"\xff", b"\xff\x00")
