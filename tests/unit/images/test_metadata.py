"""What a file says of its photo travels from every format to every other, read back by other programs' readers."""

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import piexif
import pytest
import tifffile
from PIL import Image, ImageCms

from realsr_mod.images.exif import HEADER
from realsr_mod.images.fit import fit_format
from realsr_mod.images.image import Color, LoadedImage, Resolution
from realsr_mod.images.photoshop import with_iptc
from realsr_mod.images.read import decode_image
from realsr_mod.images.tiff_write import write_tiff
from realsr_mod.images.write import encode_image

RGB = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="%d" exif:PixelXDimension="12"/></x:xmpmeta>'
IPTC = b"\x1c\x02\x05\0\x05Title\x1c\x02\x50\0\x0cJos\xc3\xa9 M\xc3\xbcll"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
DESCRIBED = ("jpeg", "png", "tiff", "webp")


def small_jpeg() -> bytes:
    file = io.BytesIO()
    Image.fromarray(RGB[:4, :4]).save(file, "JPEG")
    return file.getvalue()


def exif(orientation: int = 6, thumbnail: bytes | None = None) -> bytes:
    """A block as cameras and Windows write it: maker's note, place, Interop pointer, texts in UTF-8 and UTF-16."""
    main = {
        0x010E: "Café Zürich – naïve".encode(),
        0x010F: b"Maker",
        0x0112: orientation,
        0x011A: (300, 1),
        0x011B: (300, 1),
        0x0128: 2,
        0x013B: "José Müller".encode(),
        0x4746: 5,
        0x8298: "© 2024 José Müller".encode(),
        0x9C9B: "Titel Ä\0".encode("utf-16-le"),
    }
    camera = {0x829A: (1, 250), 0x927C: bytes(range(256)) * 3, 0xA002: 12, 0xA003: 8, 0x9286: b"UNICODE\0\xc4\0"}
    place = {1: b"N", 2: ((47, 1), (22, 1), (0, 1))}
    tags = {"0th": main, "Exif": camera, "GPS": place, "Interop": {1: b"R98"}}
    if thumbnail:
        tags |= {"1st": {0x0103: 6, 0x0112: orientation}, "thumbnail": thumbnail}
    return piexif.dump(tags).removeprefix(HEADER)


def source(kind: str, orientation: int = 6) -> bytes:
    """A file of this format with everything in it, made by other libraries where they can."""
    block, xmp, file = exif(orientation, small_jpeg()), XMP % orientation, io.BytesIO()
    image = Image.fromarray(RGB)
    if kind == "tiff":
        write_tiff(file, RGB, LoadedImage(RGB, icc=SRGB, exif=block, xmp=xmp, photoshop=with_iptc(IPTC)))
        return file.getvalue()  # lies as its XMP says
    if kind == "jpeg":
        extra = b"\xff\xed" + struct.pack(">H", 16 + len(with_iptc(IPTC))) + b"Photoshop 3.0\0" + with_iptc(IPTC)
        image.save(file, "JPEG", exif=HEADER + block, xmp=xmp, icc_profile=SRGB, dpi=(300, 300), extra=extra)
    elif kind == "png":
        return png([(b"eXIf", block), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp), raw_iptc(), icc_chunk()])
    else:
        image.save(file, "WEBP", lossless=True, exif=block, xmp=xmp, icc_profile=SRGB)
    return file.getvalue()


def raw_iptc() -> tuple[bytes, bytes]:
    text = f"\niptc\n{len(IPTC):8d}\n{IPTC.hex()}\n".encode()
    return b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(text)


def icc_chunk() -> tuple[bytes, bytes]:
    return b"iCCP", b"x\0\0" + zlib.compress(SRGB)


def png(chunks: list[tuple[bytes, bytes]], pixels: np.ndarray = RGB) -> bytes:
    """A PNG by Pillow with more chunks after its header."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    content = file.getvalue()
    more = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return content[:33] + more + content[33:]


def enlarged(content: bytes, file_format: str) -> tuple[bytes, LoadedImage]:
    """The file in another format, twice as large."""
    image = decode_image(content, "x")
    image = replace(image, pixels_HWC=image.pixels_HWC.repeat(2, 0).repeat(2, 1))
    fitted, file = fit_format(image, file_format), io.BytesIO()
    encode_image(file, fitted)
    return file.getvalue(), fitted


def tags_in(content: bytes, kind: str) -> dict:
    """What piexif reads in a file."""
    if kind == "png":
        at = content.index(b"eXIf")
        return piexif.load(HEADER + content[at + 4 : at + 4 + struct.unpack(">I", content[at - 4 : at])[0]])
    return piexif.load(content)


@pytest.mark.parametrize("target", DESCRIBED)
@pytest.mark.parametrize("origin", DESCRIBED)
def test_everything_said_of_a_photo_travels(origin, target):
    before = piexif.load(HEADER + exif())
    content, fitted = enlarged(source(origin), target)
    after = tags_in(content, target)
    structural = {0x0112, 0x011A, 0x011B, 0x0128, 0x0213, 0x8769, 0x8825}
    kept = {tag: value for tag, value in before["0th"].items() if tag not in structural}
    assert {tag: after["0th"].get(tag) for tag in kept} == kept
    assert after["0th"].get(0x0112, 1) == 1
    assert without_link(after["Exif"]) == without_link(before["Exif"]) | {0xA002: 16, 0xA003: 24}
    assert after["GPS"] == before["GPS"]
    assert after["Interop"] == before["Interop"]
    assert after["thumbnail"] is None
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (16, 24)
        assert image.info["icc_profile"] == SRGB
        said = image.info.get("xmp") or image.tag_v2[700]
        assert said == (XMP % 1).replace(b'"12"', b'"16"')
        if origin != "webp" and target != "webp":
            assert iptc_in(image) == (with_iptc(IPTC) if target == "png" else IPTC)
    assert fitted.notes == (("webp holds no IPTC: dropped",) if target == "webp" and origin != "webp" else ())


def without_link(tags: dict) -> dict:
    """The camera's tags without the place of the Interop directory, which is another in every TIFF."""
    return {tag: value for tag, value in tags.items() if tag != 0xA005}


def iptc_in(image: Image.Image) -> bytes:
    if image.format == "PNG":
        return bytes.fromhex("".join(image.text["Raw profile type iptc"].split("\n")[3:]))
    return image.info["photoshop"][0x0404] if image.format == "JPEG" else image.tag_v2[33723]


def test_bytes_that_need_not_change_do_not():
    block = exif(1)
    image = decode_image(source("jpeg", 1), "x")
    assert image.exif is not None
    assert image.exif == upright_by_hand(exif(1, small_jpeg()))
    assert decode_image(png([(b"eXIf", block)]), "x").exif == block


def thumbnail_in(block: bytes) -> bytes:
    return piexif.load(HEADER + block)["thumbnail"]


def upright_by_hand(block: bytes) -> bytes:
    """A block whose thumbnail, at its end, is cut off, and the link to it is 0."""
    changed = bytearray(block[: block.index(thumbnail_in(block))])
    (main,) = struct.unpack_from(">I", changed, 4)
    link = main + 2 + 12 * struct.unpack_from(">H", changed, main)[0]
    struct.pack_into(">I", changed, link, 0)
    return bytes(changed)


def test_a_thumbnail_inside_the_block_is_blanked():
    block = bytearray(exif(1, small_jpeg()))
    start, length = block.index(thumbnail_in(bytes(block))), len(thumbnail_in(bytes(block)))
    loaded = decode_image(png([(b"eXIf", bytes(block) + b"a maker's data behind it")]), "x")
    assert loaded.exif is not None
    assert loaded.exif[start : start + length] == bytes(length)
    assert loaded.exif.endswith(b"a maker's data behind it")


@pytest.mark.parametrize("size", [60_000, 65_400, 66_000])
def test_more_exif_than_a_jpeg_holds_is_said_before_anything_is_written(size):
    block = piexif.dump({"Exif": {0x927C: bytes(size)}}).removeprefix(HEADER)
    content, fitted = enlarged(png([(b"eXIf", block)]), "jpeg")
    held = len(block) <= 65_527
    assert (fitted.exif is not None) == held
    assert [note.split(",")[0] for note in fitted.notes] == [] if held else ["jpeg holds 65527 bytes of EXIF"]
    assert ("Exif" in piexif.load(content) and bool(piexif.load(content)["Exif"])) == held


@pytest.mark.parametrize(("block", "said"), [(b"II*\0\xff\xff\0\0", "damaged"), (b"nonsense", "damaged")])
def test_damaged_exif_is_dropped_with_a_note(block, said):
    image = decode_image(png([(b"eXIf", block)]), "x")
    assert image.exif is None
    assert image.notes == ("its EXIF is damaged and was dropped",)


# --- texts, profiles and checksums of PNGs ---


def test_long_texts_of_a_png_travel_and_other_formats_say_that_they_do_not():
    text = b"parameters\0" + b"a castle, 35 mm, " * 100_000
    content, fitted = enlarged(png([(b"tEXt", text)]), "png")
    assert text in content
    assert fitted.notes == ()
    again, _ = enlarged(content, "png")
    assert text in again
    assert enlarged(content, "jpeg")[1].notes == ("jpeg holds no texts as PNG has them: dropped",)


def test_a_profile_of_more_than_a_megabyte_travels():
    profile = SRGB + np.random.default_rng(0).bytes(1_300_000)
    content = png([(b"iCCP", b"x\0\0" + zlib.compress(profile))])
    assert decode_image(content, "x").icc == profile
    assert decode_image(enlarged(content, "png")[0], "x").icc == profile


def test_a_profile_that_unpacks_without_end_is_refused():
    packed = zlib.compress(bytes(30_000_000))
    with pytest.raises(ValueError, match=r"x: its color profile has over 16 MB; save it anew without"):
        decode_image(png([(b"iCCP", b"x\0\0" + packed)]), "x")


@pytest.mark.parametrize("kind", [b"tEXt", b"pHYs", b"gAMA", b"tRNS", b"eXIf", b"iCCP"])
def test_a_wrong_checksum_in_a_chunk_that_nobody_needs_costs_that_chunk(kind):
    content = bytearray(png([(kind, b"123456789")]))
    content[content.index(kind) + 4 + 9] ^= 1
    image = decode_image(bytes(content), "x")
    np.testing.assert_array_equal(image.pixels_HWC, RGB)
    assert image.notes == (f"its chunk {kind.decode()} is damaged and was dropped",)


# --- pixels per inch ---

INCHES = {
    "jpeg": {"dpi": (300, 150)},
    "png": {"dpi": (300, 150)},
    "tiff": {"dpi": (300, 150)},
    "bmp": {"dpi": (300, 150)},
}


@pytest.mark.parametrize("target", INCHES)
@pytest.mark.parametrize("origin", INCHES)
def test_resolution_is_kept(origin, target):
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, origin, **INCHES[origin])
    content, fitted = enlarged(file.getvalue(), target)
    assert fitted.notes == ()
    with Image.open(io.BytesIO(content)) as image:
        assert [round(float(side), 1) for side in image.info["dpi"]] == [300, 150]
    if origin == target == "png":
        assert content[content.index(b"pHYs") + 4 :][:9] == struct.pack(">IIB", 11811, 5906, 1)


def test_centimeters_and_ratios_stay_what_they_are():
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "TIFF", resolution_unit=3, x_resolution=118.5, y_resolution=59.0)
    assert decode_image(file.getvalue(), "x").resolution == Resolution(118.5, 59.0, "cm")
    content, _ = enlarged(file.getvalue(), "tiff")
    assert decode_image(content, "x").resolution == Resolution(118.5, 59.0, "cm")
    ratio = png([(b"pHYs", struct.pack(">IIB", 2, 1, 0))])
    for target in ("png", "jpeg", "tiff"):
        assert decode_image(enlarged(ratio, target)[0], "x").resolution == Resolution(2, 1, "")


def test_a_resolution_that_only_exif_gives_reaches_formats_without_exif():
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "JPEG", exif=HEADER + exif(1))
    content, _ = enlarged(file.getvalue(), "bmp")
    with Image.open(io.BytesIO(content)) as image:
        assert [round(side) for side in image.info["dpi"]] == [300, 300]


def test_webp_without_exif_says_that_it_holds_no_resolution():
    content = png([(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))])
    assert enlarged(content, "webp")[1].notes == ("webp holds no resolution: dropped",)


# --- colors without a profile ---

P3 = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
LINEAR = [(b"gAMA", struct.pack(">I", 100_000))]
WIDE = [(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", struct.pack(">8I", *P3))]
BT2020 = [(b"cICP", bytes([9, 13, 0, 1]))]
PQ = [(b"cICP", bytes([9, 16, 0, 1])), (b"cLLI", struct.pack(">II", 1000, 200))]


@pytest.mark.parametrize("chunks", [LINEAR, WIDE, BT2020, PQ, [(b"sRGB", b"\1"), *WIDE]])
def test_a_png_keeps_the_very_chunks(chunks):
    content, fitted = enlarged(png(chunks), "png")
    assert fitted.notes == ()
    for kind, data in chunks:
        assert content[content.index(kind) + 4 :].startswith(data)
        assert content.index(kind) < content.index(b"IDAT")


def through(profile: bytes, value: tuple[int, int, int]) -> np.ndarray:
    """What a color management makes of a color under a profile, in sRGB."""
    image = Image.new("RGB", (1, 1), value)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    done = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), renderingIntent=1)
    return np.array(done.getpixel((0, 0)))


@pytest.mark.parametrize("target", ["jpeg", "webp", "tiff"])
@pytest.mark.parametrize(
    ("chunks", "value", "expected"),
    [
        (LINEAR, (55, 55, 55), (128, 128, 128)),
        (LINEAR, (255, 255, 255), (255, 255, 255)),
        (WIDE, (200, 100, 100), (216, 93, 97)),  # by the matrices of P3 and sRGB
        (BT2020, (128, 128, 128), (128, 128, 128)),
    ],
)
def test_other_formats_get_a_profile_that_means_the_same(chunks, value, expected, target):
    content, fitted = enlarged(png(chunks), target)
    with Image.open(io.BytesIO(content)) as image:
        profile = image.info["icc_profile"]
    assert np.abs(through(profile, value) - expected).max() <= 2
    assert [note.split(" says")[0] for note in fitted.notes] == [target]


def test_grey_gets_a_grey_profile():
    content, _ = enlarged(png(LINEAR, RGB[:, :, 0]), "jpeg")
    with Image.open(io.BytesIO(content)) as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert profile.profile.xcolor_space.strip() == "GRAY"
        grey = ImageCms.profileToProfile(
            Image.new("L", (1, 1), 55), profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    assert np.abs(np.array(grey.getpixel((0, 0))) - 128).max() <= 1


@pytest.mark.parametrize("target", ["jpeg", "tiff", "webp", "bmp"])
def test_hdr_becomes_png_where_a_format_holds_none(target):
    content, fitted = enlarged(png(PQ), target)
    assert fitted.format == "png"
    assert fitted.notes == (f"saved as png: {target} holds no colors of HDR",)
    assert decode_image(content, "x").color == Color(cicp=(9, 16, 0, 1))


@pytest.mark.parametrize(
    "chunks", [[(b"sRGB", b"\0")], [(b"gAMA", struct.pack(">I", 45455))], [(b"cICP", bytes([1, 13, 0, 1]))]]
)
def test_what_says_no_more_than_srgb_makes_no_profile(chunks):
    _, fitted = enlarged(png(chunks), "jpeg")
    assert fitted.icc is None
    assert fitted.notes == ()


@pytest.mark.parametrize(
    "chunks", [[(b"cHRM", bytes(32))], [(b"gAMA", bytes(4))], [(b"cICP", b"\1")], [(b"pHYs", bytes(9))]]
)
def test_nonsense_says_nothing(chunks):
    image = decode_image(png(chunks), "x")
    assert image.color is None
    assert image.resolution is None


# --- TIFF ---


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_written_tiffs_are_read_by_another_reader(channels, dtype, order, big):
    pixels = np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, (300, 90, channels), dtype=dtype)
    block = (b"MM\0*\0\0\0\x08" if order == ">" else b"II*\0\x08\0\0\0") + struct.pack(order + "H", 1)
    block += struct.pack(order + "HHI4sI", 0x010F, 2, 4, b"abc\0", 0)
    file = io.BytesIO()
    write_tiff(file, pixels, LoadedImage(pixels, exif=block), big)
    with tifffile.TiffFile(io.BytesIO(file.getvalue())) as tiff:
        page = tiff.pages.first
        assert (tiff.is_bigtiff, tiff.byteorder) == (big, order)
        np.testing.assert_array_equal(page.asarray().reshape(pixels.shape), pixels)
        assert page.tags.valueof(0x010F) == "abc"
        assert [int(kind) for kind in page.extrasamples] == ([2] if channels in (2, 4) else [])
    np.testing.assert_array_equal(decode_image(file.getvalue(), "x").pixels_HWC, pixels)


def test_what_a_program_notes_of_its_storage_does_not_travel():
    file = io.BytesIO()
    tifffile.imwrite(file, RGB, photometric="rgb", metadata={"axes": "YXS"}, software="Program")
    content, _ = enlarged(file.getvalue(), "tiff")
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        assert tiff.pages.first.tags.valueof(270) is None
        assert tiff.pages.first.tags.valueof(305) == "Program"
        assert tiff.series[0].shape == (16, 24, 3)
