from __future__ import annotations

import struct
import zlib

from skyhaul.simulate.quicklook import BLOCKS, jpeg, picture, png

SIDE = 8 * BLOCKS


def segments(body):
    """Markers and bodies up to the start of scan, then the scan itself."""
    at = 2
    while True:
        marker, length = struct.unpack(">HH", body[at : at + 4])
        yield marker, body[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xFFDA:
            yield None, body[at:]
            return


def decoded(body):
    """The luminance of each block of a JPEG of this module, decoded as the standard says."""
    found = list(segments(body))
    tables = {part[0]: part[1:] for marker, part in found if marker == 0xFFC4}
    codes = {key: huffman(table) for key, table in tables.items()}
    scan = found[-1][1].removesuffix(b"\xff\xd9").replace(b"\xff\x00", b"\xff")
    bits = iter("".join(f"{byte:08b}" for byte in scan))
    level = [0, 0, 0]
    for _ in range(BLOCKS * BLOCKS):
        for component in range(3):
            size = symbol(bits, codes[0x00])
            value = int("".join(next(bits) for _ in range(size)) or "0", 2)
            level[component] += value if not size or value >> size - 1 else value - (1 << size) + 1
            assert symbol(bits, codes[0x10]) == 0
        yield level[0]


def huffman(table):
    codes, code, at = {}, 0, 16
    for length, count in enumerate(table[:16], start=1):
        for _ in range(count):
            codes[f"{code:0{length}b}"] = table[at]
            code, at = code + 1, at + 1
        code <<= 1
    return codes


def symbol(bits, codes):
    text = ""
    while text not in codes:
        text += next(bits)
    return codes[text]


def test_a_jpeg_has_the_segments_of_the_standard():
    body, content_type = picture(1, 30.0, radar=False)
    assert content_type == "image/jpeg"
    assert body.startswith(b"\xff\xd8\xff\xe0")
    assert body.endswith(b"\xff\xd9")
    parts = dict(segments(body))
    assert struct.unpack(">BHHB", parts[0xFFC0][:6]) == (8, SIDE, SIDE, 3)


def test_a_jpeg_holds_the_colours_it_was_given():
    greys = [[(x * 5 + y) % 256 for x in range(BLOCKS)] for y in range(BLOCKS)]
    body = jpeg([[(grey, grey, grey) for grey in line] for line in greys])
    assert list(decoded(body)) == [grey - 128 for line in greys for grey in line]


def test_a_png_holds_the_values_it_was_given():
    body = png([[0, 255], [7, 9]])
    start = body.index(b"IDAT")
    (length,) = struct.unpack(">I", body[start - 4 : start])
    lines = zlib.decompress(body[start + 4 : start + 4 + length])
    assert body.startswith(b"\x89PNG\r\n\x1a\n")
    assert lines[:17] == b"\x00" + bytes(8) + b"\xff" * 8
    assert lines[17 * 15 :] == b"\x00" + b"\x07" * 8 + b"\x09" * 8
    assert struct.unpack(">I", body[start + 4 + length : start + 8 + length])[0] == zlib.crc32(
        body[start : start + 4 + length]
    )


def test_radar_is_grey_and_scenes_differ():
    body, content_type = picture(1, 30.0, radar=True)
    assert content_type == "image/png"
    assert body.startswith(b"\x89PNG")
    assert picture(1, 30.0, radar=False) != picture(2, 30.0, radar=False)
    assert picture(1, 30.0, radar=False) == picture(1, 30.0, radar=False)


def test_clouds_cover_what_they_should():
    overcast, clear = (set(decoded(picture(3, cloud, radar=False)[0])) for cloud in (100.0, 0.0))
    assert len(overcast) == 1
    assert len(clear) > 20
