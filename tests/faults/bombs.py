"""Image files that are small on the disk and ask for gigabytes or minutes, each made of a few lines.

Every one stands for a kind. None is copied from anywhere; the numbers are as large as the format allows.
"""

import io
import lzma
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

Bomb = Callable[[], bytes]


def small(file_format: str, size: tuple[int, int] = (24, 20), mode: str = "RGB", **options: object) -> bytes:
    """A sound image of a few hundred bytes."""
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), np.uint8)
    image = Image.fromarray(values[..., : {"L": 1, "RGB": 3, "RGBA": 4}[mode]].squeeze())
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """A chunk of a PNG."""
    head = struct.pack(">I4s", len(data) if length is None else length, kind)
    return head + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int,
    height: int,
    *before: bytes,
    depth: int = 8,
    color: int = 2,
    data: bytes | None = None,
    after: bytes = b"",
) -> bytes:
    """A PNG; without `data` all zeros, which pack a thousandfold."""
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    row = 1 + (width * bits + 7) // 8
    if data is None:
        packer = zlib.compressobj(1)
        data = b"".join(packer.compress(bytes(row)) for _ in range(height)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + chunk(b"IDAT", data) + after + chunk(b"IEND")


class Tiff:
    """Writes a TIFF tag by tag, as wrong as is wanted."""

    def __init__(self, big: bool = False, order: str = "<") -> None:
        self.big, self.order = big, order
        mark = b"MM" if order == ">" else b"II"
        self.body = bytearray(
            mark + struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0, 0) if big else (42, 0)))
        )
        self.link_at = 8 if big else 4  # where the offset of the next directory is to be written

    def data(self, content: bytes) -> int:
        """Put data into the file; returns where they lie."""
        at = len(self.body)
        self.body += content + bytes(-len(content) % 8)
        return at

    def page(self, tags: list[tuple[int, int, int, int]], chained: bool = True) -> int:
        """A directory of (tag, kind, count, value or offset); returns where it lies."""
        at = len(self.body)
        counter, entry, link = ("Q", "HHQQ", "Q") if self.big else ("H", "HHII", "I")
        if chained:
            struct.pack_into(self.order + link, self.body, self.link_at, at)
        self.body += struct.pack(self.order + counter, len(tags))
        for tag, kind, count, value in tags:
            if kind == 3 and count == 1:  # a short lies at the beginning of its field
                field = struct.pack(self.order + "H", value) + bytes(6 if self.big else 2)
                self.body += struct.pack(self.order + entry[:3], tag, kind, count) + field
            else:
                self.body += struct.pack(self.order + entry, tag, kind, count, value)
        self.link_at = len(self.body)
        self.body += bytes(8 if self.big else 4)
        return at

    def image(self, width: int, height: int, strip: bytes, *more: tuple[int, int, int, int], **tags: int) -> list:
        """The tags of a grey image in one strip; `tags` by name replace them."""
        at = self.data(strip)
        named = {"bits": 8, "compression": 1, "photometric": 1, "samples": 1, "planar": 1} | tags
        return sorted(
            [
                (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, named["bits"]), (259, 3, 1, named["compression"]),
                (262, 3, 1, named["photometric"]), (273, 4, 1, at), (277, 3, 1, named["samples"]), (278, 4, 1, height),
                (279, 4, 1, len(strip)), (284, 3, 1, named["planar"]), *more,
            ]
        )  # fmt: skip

    def bytes(self) -> bytes:
        return bytes(self.body)


def _with(replaced: list[tuple[int, int, int, int]], *tags: tuple[int, int, int, int]) -> list:
    """Tags, some of which replace those of the same number."""
    numbers = {tag[0] for tag in tags}
    return sorted([tag for tag in replaced if tag[0] not in numbers] + list(tags))


def grey_alpha_stream(packed: bytes, compression: int) -> bytes:
    """A 64x64 TIFF of 16-bit grey with alpha, whose one strip is `packed`."""
    tiff = Tiff()
    bits = struct.unpack("<I", struct.pack("<HH", 16, 16))[0]
    tags = tiff.image(64, 64, packed, (338, 3, 1, 2), compression=compression, samples=2)
    tiff.page(_with(tags, (258, 3, 2, bits)))
    return tiff.bytes()


def zeros_lzma(megabytes: int) -> bytes:
    packer = lzma.LZMACompressor(preset=1)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(megabytes)) + packer.flush()


def zeros_zlib(megabytes: int) -> bytes:
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(megabytes)) + packer.flush()


def giant_tiles(side: int = 32768, bits: int = 8, samples: int = 1) -> bytes:
    tiff = Tiff()
    data = zeros_zlib(64)
    at = tiff.data(data)
    tags = tiff.image(64, 64, b"", bits=bits, compression=8, samples=samples)
    tags = [tag for tag in tags if tag[0] not in (273, 278, 279)]
    tiff.page(_with(tags, (322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, at), (325, 4, 1, len(data))))
    return tiff.bytes()


def many_samples() -> bytes:
    tiff = Tiff()
    tags = tiff.image(9000, 9000, zeros_zlib(8), bits=16, compression=8, samples=60000)
    tiff.page(tags)
    return tiff.bytes()


def pages(count: int, ring: bool = False) -> bytes:
    tiff = Tiff()
    tags = tiff.image(8, 8, bytes(64))
    first = tiff.page(tags)
    for _ in range(count - 1):
        tiff.page(tags[:5])
    if ring:
        struct.pack_into("<I", tiff.body, tiff.link_at, first)
    return tiff.bytes()


def shared_values(tag_count: int = 60_000, size: int = 700_000, kind: int = 7, big: bool = False) -> bytes:
    """Tens of thousands of tags that claim the same bytes: a decoder copies them for each."""
    tiff = Tiff(big=big)
    at = tiff.data(bytes(size))
    more = [(1000 + n, kind, size // {7: 1, 5: 8, 3: 2}[kind], at) for n in range(tag_count)]
    tiff.page(tiff.image(8, 8, bytes(64), *more))
    return tiff.bytes()


def shared_exif(tag_count: int, size: int, kind: int = 5) -> bytes:
    """The same in the directory of EXIF, whose values are turned into objects."""
    tiff = Tiff()
    at = tiff.data(bytes(size))
    inner = tiff.page([(40_000 + n % 25_000, kind, size // 8, at) for n in range(tag_count)], chained=False)
    tiff.link_at = 4
    tiff.page([(34665, 4, 1, inner)])
    return tiff.bytes()


def one_long_value(kind: int, count: int) -> bytes:
    """A description of millions of fractions."""
    tiff = Tiff()
    at = tiff.data(bytes(count * 8))
    tiff.page(tiff.image(8, 8, bytes(64), (270, kind, count, at)))
    return tiff.bytes()


def two_widths() -> bytes:
    """One reader takes the first width, another the last."""
    tiff = Tiff()
    tags = tiff.image(64, 64, bytes(64 * 64 * 2), bits=16)
    tiff.page([*tags[:2], (256, 4, 1, 40000), (257, 4, 1, 40000), *tags[2:]])
    return tiff.bytes()


def many_strips(count: int = 3_000_000) -> bytes:
    tiff = Tiff()
    at = tiff.data(bytes(4 * count))
    tags = tiff.image(64, 64, bytes(64 * 64))
    tiff.page(_with(tags, (273, 4, count, at), (279, 4, count, at), (278, 4, 1, 1)))
    return tiff.bytes()


def progressive(scans: int, size: tuple[int, int] = (2000, 2000)) -> bytes:
    """A progressive JPEG whose last scan is repeated: each costs the decoder a walk over all blocks."""
    content = small("JPEG", size, progressive=True) if size[0] < 100 else _grey_progressive(size)
    last = content.rindex(b"\xff\xda")
    scan = content[last:-2]
    return content[:last] + scan * scans + content[-2:]


def _grey_progressive(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, 128).save(file, "JPEG", progressive=True, quality=20)
    return file.getvalue()


def jpeg_in_tiff(scans: int) -> bytes:
    """The scans inside of a TIFF."""
    tiff = Tiff()
    side = 1024
    tiff.page(tiff.image(side, side, progressive(scans, (side, side)), compression=7))
    return tiff.bytes()


def segments(count: int) -> bytes:
    content = small("JPEG")
    return content[:2] + (b"\xff\xe5\x00\x04ab") * count + content[2:]


def exif_segments(block: bytes) -> bytes:
    """EXIF over several segments, which a reader puts together."""
    content, parts = small("JPEG"), [block[i : i + 65_000] for i in range(0, len(block), 65_000)]
    framed = [b"\xff\xe1" + struct.pack(">H", len(part) + 8) + b"Exif\0\0" + part for part in parts]
    return content[:2] + b"".join(framed) + content[2:]


def index_of_images() -> bytes:
    """A JPEG's index of its previews, which has the form of a TIFF."""
    block = bytearray(shared_exif(1, 8)[:8])
    size, count = 30_000, 2_500
    struct.pack_into("<I", block, 4, 8 + size)
    block += bytes(size) + struct.pack("<H", count)
    for n in range(count):
        block += struct.pack("<HHII", 1000 + n, 5, size // 8, 8)
    block += bytes(4)
    content = small("JPEG")
    return content[:2] + b"\xff\xe2" + struct.pack(">H", len(block) + 6) + b"MPF\0" + bytes(block) + content[2:]


def webp(canvas: tuple[int, int], frames: int = 1) -> bytes:
    """A WebP whose canvas is far larger than its frames."""
    file = io.BytesIO()
    images = [Image.new("RGB", (16, 16), (n % 256, 0, 0)) for n in range(frames + 1)]
    images[0].save(file, "WEBP", save_all=True, append_images=images[1:], lossless=True)
    content = bytearray(file.getvalue())
    assert content[12:16] == b"VP8X"
    content[24:27], content[27:30] = ((side - 1).to_bytes(3, "little") for side in canvas)
    return bytes(content)


def bmp(width: int, height: int, data: bytes, bits: int = 8, coding: int = 0) -> bytes:
    palette = bytes(1024) if bits == 8 else bytes(64) if bits == 4 else b""
    offset = 54 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, coding, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + header + palette + data


EXIF_BOMB = shared_exif(20_000, 100_000)


def lzma_window() -> bytes:
    """A dictionary of a gigabyte, for 99 bytes."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**30}]
    return grey_alpha_stream(lzma.compress(bytes(99), format=lzma.FORMAT_XZ, filters=filters), 34925)


def many_texts() -> bytes:
    return png(8, 8, *[chunk(b"zTXt", b"k%d\0\0" % n + zlib.compress(bytes(10**6))) for n in range(900)])


def exif_as_text() -> bytes:
    text = zlib.compress(b"\n\n\n" + EXIF_BOMB.hex().encode())
    return png(8, 8, chunk(b"zTXt", b"Raw profile type exif\0\0" + text))


def two_headers() -> bytes:
    small_header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    return png(30_000, 30_000, small_header, depth=16, data=zeros_zlib(1))


def chunk_of_4_gb() -> bytes:
    """A decoder makes room for a chunk before it looks whether the file has as much."""
    return png(8, 8, depth=16, color=6)[:33] + struct.pack(">I", 2**32 - 1) + b"IDAT" + bytes(99)


def webp_with_exif() -> bytes:
    plain, size = webp((16, 16)), struct.pack("<I", len(EXIF_BOMB))
    length = struct.pack("<I", len(plain) + len(EXIF_BOMB))
    return plain[:4] + length + plain[8:20] + bytes([plain[20] | 8]) + plain[21:] + b"EXIF" + size + EXIF_BOMB


# What each is, what makes it, and words of the sentence that refuses it; None: it is decoded, but cheaply.
BOMBS: dict[str, tuple[Bomb, str | None]] = {
    "lzma_400_mb.tif": (lambda: grey_alpha_stream(zeros_lzma(400), 34925), "unpacks to more"),
    "zlib_2_gb.tif": (lambda: grey_alpha_stream(zeros_zlib(2000), 8), "unpacks to more"),
    "lzma_window.tif": (lzma_window, "damaged"),
    "tiles_1_gb.tif": (giant_tiles, "tiles have 32768x32768"),
    "tiles_deep.tif": (lambda: giant_tiles(16384, 16, 4), "tiles have"),
    "samples.tif": (many_samples, "each pixel has"),
    "pages_100000.tif": (lambda: pages(100_000), None),
    "pages_ring.tif": (lambda: pages(50, ring=True), None),
    "tags_share_bytes.tif": (shared_values, "its tags ask for"),
    "tags_share_fractions.tif": (lambda: shared_values(3_000, 1_000_000, 5), "its tags ask for"),
    "tags_share_bytes_big.tif": (lambda: shared_values(big=True), "its tags ask for"),
    "fractions.tif": (lambda: one_long_value(5, 2_000_000), "its tags ask for"),
    "integers.tif": (lambda: one_long_value(16, 5_000_000), "its tags ask for"),
    "exif_ring.tif": (lambda: shared_exif(20_000, 100_000), "size is missing|its tags ask for"),
    "two_widths.tif": (two_widths, "tag 256 is there 2 times"),
    "strips.tif": (many_strips, "parts|its tags ask for"),
    "scans_in_tiff.tif": (lambda: jpeg_in_tiff(5_000), "damaged"),
    "scans_20000.jpg": (lambda: progressive(20_000), "scans"),
    "scans_of_20_mp.jpg": (lambda: progressive(90, (5000, 4000)), None),
    "scans_of_30_mp.jpg": (lambda: progressive(85, (6000, 5000)), "billion pixels"),
    "segments_60000.jpg": (lambda: segments(60_000), "segments"),
    "exif.jpg": (lambda: exif_segments(EXIF_BOMB), "its tags ask for"),
    "exif_long.jpg": (lambda: exif_segments(bytes(20_000_000)), "MB of EXIF"),
    "index.jpg": (index_of_images, "its tags ask for"),
    "junk.jpg": (lambda: b"\xff\xd8" + b"\xff" * 30_000_000 + small("JPEG")[2:], "mean nothing"),
    "chunks_800000.png": (lambda: png(8, 8, chunk(b"teSt") * 800_000), "chunks"),
    "chunk_4_gb.png": (chunk_of_4_gb, "truncated"),
    "pixels_900_mp.png": (lambda: png(30_000, 30_000, depth=1, color=0), "30000x30000 pixels"),
    "text.png": (lambda: png(8, 8, chunk(b"zTXt", b"Comment\0\0" + zeros_zlib(1000))), None),
    "texts.png": (many_texts, None),
    "profile.png": (lambda: png(8, 8, chunk(b"iCCP", b"x\0\0" + zeros_zlib(1000))), "damaged"),
    "exif.png": (lambda: png(8, 8, chunk(b"eXIf", EXIF_BOMB)), "its tags ask for"),
    "exif_after.png": (lambda: png(8, 8, after=chunk(b"eXIf", EXIF_BOMB)), "its tags ask for"),
    "exif_as_text.png": (exif_as_text, "its tags ask for"),
    "two_headers.png": (two_headers, "header is not the first|30000x30000"),
    "animation.png": (lambda: png(8, 8, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))), None),
    "canvas.webp": (lambda: webp((2**24, 2**24)), "16777216x16777216"),
    "canvas_of_90_mp.webp": (lambda: webp((9_500, 9_500)), None),
    "frames.webp": (lambda: webp((16, 16), 3_000), None),
    "exif.webp": (webp_with_exif, "its tags ask for"),
    "jumps.bmp": (lambda: bmp(90_000_000, 1, b"\0\2\xff\xff" * 4, coding=1), "run-length"),
    "lines.bmp": (lambda: bmp(10_000, 9_000, b"\1\0\0\0" * 9_000, coding=1), "run-length"),
    "short.bmp": (lambda: bmp(9_900, 9_900, b"", bits=24), "damaged"),
    "header.bmp": (lambda: bmp(2**30, -(2**30), b"", bits=24), "pixels"),
    "header.ppm": (lambda: b"P6 999999999 999999999 255\n", "pixels"),
    "short.ppm": (lambda: b"P6 9900 9900 65535\n", "damaged"),
    "comment.ppm": (lambda: b"P6 #" + b"a" * 50_000_000, "damaged|gives no size"),
    "comments.ppm": (lambda: b"P6 " + b"#\n" * 25_000_000, "damaged|gives no size"),
    "digits.ppm": (lambda: b"P3 4000 4000 255\n" + b"1 " * 12_000_000, "decimal digits"),
    "values_of_12_mp.ppm": (lambda: b"P6 4000 3000 1023\n" + bytes(4000 * 3000 * 6), None),
}  # fmt: skip
