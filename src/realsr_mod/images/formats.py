"""What image files there are: their suffixes, what each format can hold, and the tags that all readers share."""

from dataclasses import dataclass

# Tags of TIFF and EXIF.
ORIENTATION = 0x0112
WIDTH, HEIGHT = 0x0100, 0x0101
TILE_WIDTH, TILE_HEIGHT = 0x0142, 0x0143
BITS_PER_SAMPLE, PHOTOMETRIC, PLANAR_CONFIGURATION, ICC_PROFILE = 0x0102, 0x0106, 0x011C, 0x8773
COMPRESSION, SAMPLES_PER_PIXEL = 0x0103, 0x0115
STRIPS, STRIP_BYTES, TILES, TILE_BYTES = 0x0111, 0x0117, 0x0144, 0x0145  # where the parts lie, and their lengths
EXIF_DIRECTORY, GPS_DIRECTORY, INTEROP_DIRECTORY = 0x8769, 0x8825, 0xA005
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003
THUMBNAIL, THUMBNAIL_BYTES = 0x0201, 0x0202
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
XMP, IPTC, PHOTOSHOP = 0x02BC, 0x83BB, 0x8649
MIN_IS_WHITE, MIN_IS_BLACK, RGB, CMYK = 0, 1, 2, 5  # values of PHOTOMETRIC

# Compressions of TIFFs that are read: none, CCITT, LZW, JPEG, deflate, PackBits, ThunderScan, LogLuv, LZMA, Zstandard.
COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34676, 34677, 34925, 50000)
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"MM*\0", b"II\0*")  # the last two are wrong, but are read
JXL_BARE, JXL_BOXED = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"  # a coded image alone, and a file of boxes around one
# How files of these kinds begin; HEIC and AVIF name their box at the fifth byte.
STARTS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"RIFF",
    b"BM",
    b"GIF8",
    JXL_BOXED,  # the other's two bytes begin other files too
    *TIFF_STARTS,
    *(b"P%d" % n for n in range(1, 7)),
)
UNKNOWN_TO_PILLOW = b"MM\0+"  # it would take this BigTIFF for a common TIFF, and read other tags


@dataclass(frozen=True)
class ImageFormat:
    """What a file format that is written can hold."""

    suffix: str
    alpha: bool = False
    deep: bool = False  # 16 bits a channel
    icc: bool = True
    exif: bool = True
    xmp: bool = True
    photoshop: bool = False  # and IPTC in it
    resolution: bool = True
    comment: bool = False
    texts: bool = False
    color: bool = False  # in numbers, without a profile
    max_side: int = 2**31 - 1
    max_exif: int = 2**31 - 1  # bytes
    max_xmp: int = 2**31 - 1


FORMATS = {
    "png": ImageFormat(".png", alpha=True, deep=True, photoshop=True, texts=True, color=True),
    "jpeg": ImageFormat(".jpg", photoshop=True, comment=True, max_side=65500, max_exif=65527, max_xmp=65504),
    "webp": ImageFormat(".webp", alpha=True, resolution=False, max_side=16383),
    "tiff": ImageFormat(".tif", alpha=True, deep=True, photoshop=True),
    "heic": ImageFormat(".heic", alpha=True, deep=True, resolution=False, color=True, max_side=16384),
    "avif": ImageFormat(".avif", alpha=True, resolution=False, max_side=16384),
    "jxl": ImageFormat(".jxl", alpha=True, deep=True, resolution=False, max_side=2**30),
    "bmp": ImageFormat(".bmp", icc=False, exif=False, xmp=False, max_side=32767),
}
# Every suffix that is read, everywhere, and the format in which what was made of such a file is written.
SUFFIXES = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".jfif": "jpeg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".bmp": "bmp",
    ".dib": "bmp",
    ".heic": "heic",
    ".heif": "heic",
    ".hif": "heic",
    ".avif": "avif",
    ".jxl": "jxl",
    ".apng": "png",
    ".gif": "png",  # which has all the colors that a network makes
    ".ppm": "png",
    ".pgm": "png",
    ".pbm": "png",
    ".pnm": "png",
}
NOT_WRITTEN = (".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".apng")
PILLOW_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "GIF")  # decoders that are used as they come
READABLE = "PNG, JPEG, WebP, TIFF, BMP, HEIC, AVIF, JPEG XL, GIF or PPM"  # for people
