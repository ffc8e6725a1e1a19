"""Small sound images of every format and depth, and damage done to them: the same for the same number, everywhere."""

import io
from collections.abc import Iterator

import cv2
import numpy as np
import tifffile
from faults import bombs
from PIL import Image


def sound_images() -> dict[str, bytes]:
    """Images of a few hundred bytes, of all that is read."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (20, 24, 4), np.uint8)
    deep = rng.integers(0, 65536, (20, 24, 4), np.uint16)
    found: dict[str, bytes] = {}

    def pillow(name: str, mode: str, file_format: str, **options: object) -> None:
        image = Image.fromarray(pixels).convert(mode) if mode != "I;16" else Image.fromarray(deep[:, :, 0])
        file = io.BytesIO()
        image.save(file, file_format, **options)
        found[name] = file.getvalue()

    def tiff(name: str, values: np.ndarray, **options: object) -> None:
        file = io.BytesIO()
        tifffile.imwrite(file, values, **options)
        found[name] = file.getvalue()

    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a photo"
    exif.get_ifd(0x8769)[0x9003] = "2024:01:02 03:04:05"
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        pillow(f"{mode}.png", mode, "PNG")
    pillow("exif.png", "RGB", "PNG", exif=exif, icc_profile=bytes(200))
    found["rgb16.png"] = cv2.imencode(".png", deep[..., :3])[1].tobytes()
    found["rgba16.png"] = cv2.imencode(".png", deep)[1].tobytes()
    for mode in ("L", "RGB", "CMYK"):
        pillow(f"{mode}.jpg", mode, "JPEG", exif=exif)
    pillow("progressive.jpg", "RGB", "JPEG", progressive=True)
    pillow("lossy.webp", "RGB", "WEBP", exif=exif)
    pillow("lossless.webp", "RGBA", "WEBP", lossless=True)
    found["animated.webp"] = bombs.webp((16, 16), 3)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        if mode != "RGBA":
            pillow(f"{mode}.bmp", mode, "BMP")
        pillow(f"{mode}.tif", mode, "TIFF")
    found["rle.bmp"] = bombs.bmp(
        24, 2, b"\x18\x05\x00\x00\x04\x01\x00\x04abcd\x00\x02\x02\x00\x0e\x07\x00\x01", coding=1
    )
    for mode, suffix in (("1", "pbm"), ("L", "pgm"), ("RGB", "ppm"), ("F", "pfm")):
        pillow(f"plain.{suffix}", mode, "PPM")
    found["digits.ppm"] = b"P3 # a\n4 4 255\n" + b" ".join(b"%d" % n for n in range(48)) + b"\n"
    found["deep.ppm"] = b"P6 4 4 1023\n" + bytes(range(96))
    for compression in ("group3", "group4"):
        pillow(f"{compression}.tif", "1", "TIFF", compression=compression)
    for compression in ("packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "zstd"):
        pillow(f"{compression}.tif", "RGB", "TIFF", compression=compression)
    pillow("lzma.tif", "RGB", "TIFF", compression="lzma")
    pillow("cmyk.tif", "CMYK", "TIFF", compression="tiff_lzw")
    pillow("exif.tif", "RGB", "TIFF", exif=exif)
    pillow("pages.tif", "L", "TIFF", save_all=True, append_images=[Image.new("L", (5, 5))])
    tiff("grey16.tif", deep[..., 0])
    tiff("rgb16.tif", deep[..., :3], photometric="rgb")
    tiff("float.tif", (deep[..., :3] / 65535).astype(np.float32), photometric="rgb")
    tiff("grey_alpha16.tif", deep[..., :2], photometric="minisblack", extrasamples=["unassalpha"], compression="zlib")
    tiff("planes16.tif", np.moveaxis(deep[..., :3], 2, 0), photometric="rgb", planarconfig="separate")
    tiff("tiles16.tif", deep[..., :3], photometric="rgb", tile=(16, 16), compression="lzma")
    tiff("big.tif", deep[..., 0], bigtiff=True)
    tiff("big_order.tif", deep[..., :3], photometric="rgb", bigtiff=True, byteorder=">")
    found["jpeg_old.tif"] = _replaced(found["jpeg.tif"], b"\x03\x01\x03\x00\x01\x00\x00\x00\x07", 8, 6)
    for name, number in (("thunder", 32809), ("logluv", 34676), ("logluv24", 34677), ("unknown", 34712)):
        tags = bombs.Tiff()
        tags.page(tags.image(24, 20, bytes(range(256)), compression=number, photometric=32844 if number > 34000 else 1))
        found[f"{name}.tif"] = tags.bytes()
    return found


def mutated(content: bytes, number: int) -> bytes:
    """Damage of one of ten kinds, by the number."""
    rng = np.random.default_rng(number)
    data = bytearray(content)
    head = min(len(data), 400)
    match number % 10:
        case 0:  # a few bits
            for place in rng.integers(0, len(data), 3):
                data[place] ^= 1 << int(rng.integers(8))
        case 1:  # a few bytes of the header
            for place in rng.integers(0, head, 3):
                data[place] = int(rng.integers(256))
        case 2:  # cut
            del data[int(rng.integers(1, len(data))) :]
        case 3:  # a part twice
            start, stop = sorted(int(n) for n in rng.integers(0, len(data), 2))
            data[start:start] = data[start:stop]
        case 4:  # a part missing
            start = int(rng.integers(0, len(data)))
            del data[start : start + int(rng.integers(1, 40))]
        case 5:  # a number made large
            place = int(rng.integers(0, head))
            data[place : place + 4] = b"\xff\xff\xff\xff"
        case 6:  # a number made zero
            place = int(rng.integers(0, head))
            data[place : place + 4] = bytes(4)
        case 7:  # one bit of the header
            place = int(rng.integers(0, head))
            data[place] ^= 1 << int(rng.integers(8))
        case 8:  # the ends of two halves exchanged
            middle = len(data) // 2
            data = data[middle:] + data[:middle] if number % 3 else data[:8] + data[middle:] + data[8:middle]
        case 9:  # noise behind a sound beginning
            start = int(rng.integers(4, len(data)))
            data[start:] = rng.integers(0, 256, len(data) - start, np.uint8).tobytes()
    return bytes(data)


def mutated_images(count: int, first: int = 0) -> Iterator[tuple[str, bytes]]:
    """`count` damaged images, by turns of every sound one, each with a name that tells how to make it again."""
    sound = sound_images()
    for number in range(first, first + count):
        name = list(sound)[number % len(sound)]
        yield f"{number}_{name}", mutated(sound[name], number)


def spliced_images() -> Iterator[tuple[str, bytes]]:
    """Each sound image behind the beginning of each other one."""
    sound = sound_images()
    for name, content in sound.items():
        for other, beginning in sound.items():
            if other != name:
                yield f"{other}_before_{name}", beginning[:40] + content[40:]


def _replaced(content: bytes, pattern: bytes, place: int, value: int) -> bytes:
    data = bytearray(content)
    data[data.index(pattern) + place] = value
    return bytes(data)
