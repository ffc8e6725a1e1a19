"""TIFFs of several pages: which there are, each as it is, and written one after the other."""

import struct
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from realsr_mod.images.image import ImageReadError, LoadedImage
from realsr_mod.images.pages import read_pages, write_pages

RNG = np.random.default_rng(0)
PAGES = [
    RNG.integers(0, 256, (9, 12, 3), dtype=np.uint8),
    RNG.integers(0, 65536, (7, 5, 1), dtype=np.uint16),
    RNG.integers(0, 256, (4, 30, 4), dtype=np.uint8),
]


def foreign(path, order="<", big=False):
    """What another program writes, with a preview between the pages."""
    with tifffile.TiffWriter(path, byteorder=order, bigtiff=big) as file:
        file.write(PAGES[0], photometric="rgb")
        file.write(PAGES[0][::3, ::3], photometric="rgb", subfiletype=1)
        file.write(PAGES[1][:, :, 0], photometric="minisblack", compression="zlib")
        file.write(PAGES[2], photometric="rgb", extrasamples=["unassalpha"])
    return path


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_page_is_read_and_previews_are_not(order, big, tmp_path):
    pages = read_pages(foreign(tmp_path / "a.tif", order, big))
    assert (len(pages.places), pages.pixels) == (3, 9 * 12 + 7 * 5 + 4 * 30)
    for image, expected in zip(pages.images(), PAGES, strict=True):
        np.testing.assert_array_equal(image.pixels_HWC, expected)
        assert image.notes == ()


@pytest.mark.parametrize("pixels", [100, 10**9])
def test_what_is_written_is_read_by_others_too(pixels, tmp_path):
    tags = Image.Exif()
    tags[0x010E] = "page one"
    first = replace(LoadedImage(PAGES[0], "tiff"), exif=tags.tobytes().removeprefix(b"Exif\0\0"), icc=b"profile")
    write_pages(tmp_path / "a.tif", [first, *(LoadedImage(page, "tiff") for page in PAGES[1:])], pixels)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff == (pixels > 100)
        for page, expected in zip(file.pages, PAGES, strict=True):
            np.testing.assert_array_equal(page.asarray().reshape(expected.shape), expected)
        assert file.pages[0].tags[0x010E].value == "page one"
    images = list(read_pages(tmp_path / "a.tif").images())
    assert [image.icc for image in images] == [b"profile", None, None]
    for image, expected in zip(images, PAGES, strict=True):
        np.testing.assert_array_equal(image.pixels_HWC, expected)


def test_one_page_or_another_kind_is_none(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PAGES[0], photometric="rgb")
    Image.fromarray(PAGES[0]).save(tmp_path / "b.png")
    assert [read_pages(tmp_path / name) for name in ("a.tif", "b.png", "missing.tif")] == [None, None, None]


def test_rings_and_pages_without_end_are_refused(tmp_path):
    content = bytearray(foreign(tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        places = [page.offset for page in file.pages]
    end = places[-1] + 2 + 12 * struct.unpack_from("<H", content, places[-1])[0]
    assert struct.unpack_from("<I", content, end)[0] == 0
    struct.pack_into("<I", content, end, places[0])
    (tmp_path / "ring.tif").write_bytes(content)
    with pytest.raises(ImageReadError, match=r"ring\.tif: truncated or damaged \(its pages form a ring\)"):
        read_pages(tmp_path / "ring.tif")
    with tifffile.TiffWriter(tmp_path / "many.tif") as file:
        for _ in range(1001):
            file.write(PAGES[0][:1, :1], photometric="rgb", metadata=None)
    with pytest.raises(ImageReadError, match="it has more than 1000 pages"):
        read_pages(tmp_path / "many.tif")


def test_a_later_page_is_bounded_too(tmp_path):
    foreign(tmp_path / "a.tif")
    with pytest.raises(ImageReadError, match=r"it has 30x4 pixels, the limit is 0\.00011 megapixels"):
        read_pages(tmp_path / "a.tif", max_pixels=110)
