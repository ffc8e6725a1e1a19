"""Image files of strangers: what is small on the disk stays small in memory and time; damage is one kind of error."""

import io
import json
import math
import os
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import command, environment
from faults.bombs import BOMBS
from faults.measure import __file__ as measure_file
from faults.mutations import mutated_images, sound_images, spliced_images
from faults.refusals import all_of
from PIL import Image

from realsr_mod.data.checks import check_images
from realsr_mod.images import sandbox
from realsr_mod.images.find import find_images, search
from realsr_mod.images.image import ImageReadError
from realsr_mod.images.read import decode_image, image_size, read_image
from realsr_mod.images.sandbox import decode_apart, read_apart
from realsr_mod.inference.batch import run_jobs
from realsr_mod.inference.outcome import Settings
from realsr_mod.inference.plan import plan

SECONDS, MEGABYTES = 8.0, 300
BYTES_PER_PIXEL = 20  # of what is decoded; a WebP's canvases take 17
QUICK = {
    "zlib_2_gb.tif", "tiles_1_gb.tif", "samples.tif", "tags_share_bytes.tif", "pages_ring.tif", "two_widths.tif",
    "scans_20000.jpg", "segments_60000.jpg", "exif.jpg", "index.jpg", "chunks_800000.png", "pixels_900_mp.png",
    "exif_as_text.png", "chunk_4_gb.png", "canvas.webp", "jumps.bmp", "comment.ppm",
}  # fmt: skip
ALL_BOMBS = all_of(BOMBS, QUICK - {"zlib_2_gb.tif"})


@pytest.fixture(scope="module")
def bombs(tmp_path_factory):
    """A function from a bomb's name to its file."""
    folder = tmp_path_factory.mktemp("bombs")

    def made(name: str) -> Path:
        path = folder / name
        if not path.exists():
            path.write_bytes(BOMBS[name][0]())
        return path

    return made


def measured(how: str, *paths: Path) -> list[dict]:
    """What `measure.py` says of files."""
    done = subprocess.run(
        [sys.executable, measure_file, how, *map(str, paths)], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ALL_BOMBS)
def test_a_small_file_takes_little_memory_and_time(name, bombs):
    path, words = bombs(name), BOMBS[name][1]
    assert path.stat().st_size < 80_000_000
    (read,), (size,) = measured("read", path), measured("size", path)
    for answer in (read, size):
        assert "failed" not in answer, answer
        assert answer["seconds"] < SECONDS, answer
        pixels = math.prod(answer["shape"][:2]) if answer is read and "shape" in answer else 0
        assert answer["megabytes"] < max(MEGABYTES, pixels * BYTES_PER_PIXEL / 2**20), answer
    if words is None:
        assert read["shape"][:2] == size["shape"]
    else:
        assert any(word in read["refused"] for word in words.split("|")), read
        assert str(path) in read["refused"]


@pytest.mark.fault
def test_bombs_decoded_apart_are_refused_by_the_same_sentence(bombs):
    for name in sorted(QUICK):
        path, words = bombs(name), BOMBS[name][1]
        if words is not None:
            with pytest.raises(ImageReadError, match=words):
                read_apart(path)


@pytest.mark.fault
def test_a_folder_of_bombs_is_checked_in_seconds(bombs, tmp_path):
    names = [name for name in BOMBS if name not in ("values_of_12_mp.ppm",)]
    paths = [bombs(name) for name in names]
    (tmp_path / "good.png").write_bytes(sound_images()["RGB.png"])
    started = time.perf_counter()
    with pytest.warns(UserWarning, match="images cannot be used"):
        checked = check_images([*paths, tmp_path / "good.png"], 4, cache_dir=tmp_path)
    assert time.perf_counter() - started < 30
    assert tmp_path / "good.png" in checked.sizes
    assert {bombs(name) for name in ("pixels_900_mp.png", "canvas.webp", "exif.jpg", "zlib_2_gb.tif")} <= set(
        checked.bad
    )


@pytest.mark.fault
def test_upscale_does_the_good_photo_beside_the_bombs(bombs, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in sorted(QUICK - {"pages_ring.tif"}):
        os.symlink(bombs(name), folder / name)
    (folder / "good.png").write_bytes(sound_images()["RGB.png"])
    done = subprocess.run(
        command("upscale", str(folder), "-o", str(tmp_path / "out")), env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    assert f"{len(QUICK) - 1} of {len(QUICK)} photos failed" in done.stdout
    assert (tmp_path / "out" / "good.png").exists()


def looked_at(images, tmp_path: Path) -> Counter:
    """What became of damaged images, in the same process; anything else than an image or its one error is raised."""
    became: Counter = Counter()
    path = tmp_path / "image"
    for name, content in images:
        path.write_bytes(content)
        started = time.perf_counter()
        for function in (read_image, image_size):
            became[_outcome(lambda function=function: function(path, 10_000_000), f"{name}: {function.__name__}")] += 1
        assert time.perf_counter() - started < SECONDS, name
    return became


def _outcome(call: Callable[[], object], what: str) -> str:
    try:
        call()
    except ImageReadError:
        return "error"
    except Exception as error:
        raise AssertionError(f"{what} raised {error!r}") from error
    return "image"


@pytest.mark.filterwarnings("ignore")
def test_a_few_hundred_damaged_images(tmp_path, capfd):
    became = looked_at(mutated_images(400), tmp_path)
    assert became["image"] > 100
    assert became["error"] > 100
    capfd.readouterr()  # what decoders in C print


@pytest.mark.fault
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(600)
def test_thousands_of_damaged_images(tmp_path, capfd):
    became = looked_at(mutated_images(6_000, first=400), tmp_path)
    became += looked_at(spliced_images(), tmp_path)
    assert became["image"] > 2_000
    assert became["error"] > 5_000
    capfd.readouterr()


@pytest.mark.fault
@pytest.mark.filterwarnings("ignore")
def test_damaged_images_apart_are_what_they_are_here(capfd):
    for name, content in mutated_images(30, first=50_000):
        here, apart = (said_or_seen(decode, content) for decode in (decode_image, decode_apart))
        assert type(here) is type(apart), name
        np.testing.assert_array_equal(here, apart, err_msg=name)
    capfd.readouterr()


def said_or_seen(decode: Callable, content: bytes) -> str | np.ndarray:
    """The pixels, or the reason why there are none."""
    try:
        return decode(content, "image").pixels_HWC
    except ImageReadError as error:
        return error.reason


def test_sound_images_are_read_and_agree_on_their_size(tmp_path, capfd):
    unread = {"plain.pfm", "jpeg_old.tif", "thunder.tif", "logluv24.tif", "unknown.tif"}
    for name, content in sound_images().items():
        path = tmp_path / name
        path.write_bytes(content)
        if name in unread:
            with pytest.raises(ImageReadError):
                read_image(path)
        else:
            assert read_image(path).pixels_HWC.shape[:2] == image_size(path), name
    capfd.readouterr()


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
def test_headers_and_decoders_agree_how_a_photo_lies(suffix, orientation, tmp_path):
    image, exif = Image.fromarray(np.zeros((10, 20, 3), np.uint8)), Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / f"exif.{suffix}", exif=exif)
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="{orientation}"/></x:xmpmeta>'
    if suffix == "png":
        from PIL.PngImagePlugin import PngInfo

        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp, zip=True)
        texts.add_itxt("Comment", "x" * 3_000_000, zip=True)
        image.save(tmp_path / "xmp.png", pnginfo=texts)
    else:
        image.save(tmp_path / f"xmp.{suffix}", xmp=xmp.encode())
    for path in tmp_path.iterdir():
        expected = (20, 10) if orientation == 6 else (10, 20)
        assert image_size(path) == read_image(path).pixels_HWC.shape[:2] == expected, path.name


@pytest.mark.parametrize(("maxval", "dtype"), [(100, np.uint8), (254, np.uint8), (1023, np.uint16), (65535, np.uint16)])
@pytest.mark.parametrize("kind", ["P5", "P6"])
def test_deep_ppms_are_scaled_to_white(kind, maxval, dtype, tmp_path):
    values = np.linspace(0, maxval, 60).round().astype(">u2" if maxval > 255 else np.uint8)
    path = tmp_path / "a.ppm"
    width = 10 if kind == "P5" else 5
    path.write_bytes(f"{kind}\n# a comment\n{width} {60 // width // (1 if kind == 'P5' else 3)} {maxval}\n".encode())
    with path.open("ab") as file:
        file.write(values.tobytes())
    pixels = read_image(path).pixels_HWC
    assert pixels.dtype == dtype
    white = np.iinfo(dtype).max
    np.testing.assert_array_equal(pixels.ravel(), np.round(values.astype(np.float64) / maxval * white))


def test_what_is_decoded_apart_imports_nothing_from_the_folder_it_came_in(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("open('canary', 'w')")
    (tmp_path / "json.py").write_text("open('canary', 'w')")
    monkeypatch.chdir(tmp_path)
    decode_apart(sound_images()["RGB.png"], "a.png")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    "answer", [b"", b"\0\0", b"\0\0\0\5hello", b"\0\0\0\2{}", b"\xff\xff\xff\xff{}", b"\0\0\0\1[" * 9]
)
def test_nonsense_from_the_other_process_is_one_kind_of_error(answer, monkeypatch):
    def nonsense(*arguments: object, **options: object) -> subprocess.CompletedProcess:
        return subprocess.CompletedProcess([], 0, answer, b"")

    monkeypatch.setattr(sandbox.subprocess, "run", nonsense)
    with pytest.raises(ImageReadError, match=r"a.png: the decoder"):
        decode_apart(b"", "a.png")


def test_the_other_process_dies_alone():
    file = io.BytesIO()
    Image.new("RGB", (9_000, 9_000)).save(file, "PNG")
    content = file.getvalue()
    with pytest.raises(ImageReadError, match=r"not decoded within 0.001 s"):
        decode_apart(content, "a.png", seconds=0.001)
    with pytest.raises(ImageReadError, match=r"a.png: (the decoder stopped: it needs over 0.3 GB|it does not fit)"):
        decode_apart(content, "a.png", memory_bytes=300_000_000)


# --- folders ---


def refuse(monkeypatch, folder: Path) -> None:
    """Have the system refuse to list a folder; who runs the tests as root is refused nothing."""
    scan = os.scandir

    def scandir(path):
        if os.path.realpath(path) == os.path.realpath(folder):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two photos, one in a folder inside, among files of other kinds."""
    root = tmp_path / "photos"
    (root / "inside").mkdir(parents=True)
    for path in (root / "a.png", root / "inside" / "b.png"):
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(path)
    for name in ("1.RAW", "2.raw", "3.raw", "4.mov", "Makefile", ".hidden"):
        (root / name).write_bytes(b"")
    return root


LEFT_OUT = "left out: 3 .raw, 1 without a suffix, 1 .mov"


def test_what_a_folder_holds_besides_images_is_counted(folder):
    said: list[str] = []
    assert [path.name for path in find_images(folder, said.append)] == ["a.png", "b.png"]
    assert said == [f"{folder}: {LEFT_OUT}"]
    lines: list[str] = []
    plan([folder], folder / "out", say=lines.append)
    assert lines == [*said, f"{folder}: videos are done when they are named: {folder / 'NAME.mp4'}"]


def test_a_folder_that_cannot_be_read_is_named(folder, monkeypatch):
    refuse(monkeypatch, folder / "inside")
    said: list[str] = []
    assert [path.name for path in find_images(folder, said.append)] == ["a.png"]
    assert said[1:] == [f"{folder}: left out: {folder / 'inside'} cannot be read (Permission denied)"]


def test_a_folder_of_nothing_else_says_what_it_holds(folder, monkeypatch):
    refuse(monkeypatch, folder / "inside")
    (folder / "a.png").unlink()
    expected = rf"{LEFT_OUT}; left out: {folder / 'inside'} cannot be read \(Permission denied\)"
    with pytest.raises(FileNotFoundError, match=expected):
        find_images(folder)
    with pytest.raises(FileNotFoundError, match=expected):
        plan([folder], folder / "out")


def test_files_in_a_folder_that_cannot_be_entered_are_named(folder, monkeypatch):
    is_file = Path.is_file

    def refused(path: Path) -> bool:
        if path.name == "b.png":
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refused)
    assert search(folder).unreadable == {folder / "inside" / "b.png": "Permission denied"}


def test_many_kinds_and_folders_are_named_in_short():
    from realsr_mod.images.find import Found

    found = Found()
    found.others.update({f".{n}": 1 for n in range(12)})
    found.unreadable = {Path(str(n)): "no" for n in range(9)}
    lines = found.left_out()
    assert lines[0].endswith("and 4 of other kinds")
    assert lines[-1] == "left out: 4 more that cannot be read"
    assert len(lines) == 7


@pytest.mark.parametrize("command_name", ["upscale", "degrade"])
@pytest.mark.fault
def test_the_real_commands_say_what_they_leave_out(command_name, folder, tmp_path):
    done = subprocess.run(
        command(command_name, str(folder), "-o", str(tmp_path / "out")), env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert f"{folder}: {LEFT_OUT}" in done.stdout


@pytest.mark.parametrize("length", [240, 250, 255])
def test_a_photo_with_a_long_name_is_enlarged(length, tmp_path):
    photo = tmp_path / ("ä" * ((length - 4) // 2) + "a" * ((length - 4) % 2) + ".png")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(photo)
    jobs = plan([photo], tmp_path / "out", compare=True)
    (outcome,) = run_jobs(jobs, lambda image, on_tile: image, Settings(compare=True), lambda *_: None)
    assert outcome.failure == ""
    assert outcome.path is not None
    assert outcome.path.exists()
    if length + len("_compare") <= 255:
        assert outcome.job.comparison.exists()
    else:
        assert outcome.notes == ("without a comparison: its name would be longer than 255 bytes; shorten the photo's",)


def test_a_name_that_grows_too_long_is_refused_in_a_sentence(tmp_path):
    photo = tmp_path / ("a" * 251 + ".bmp")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(photo)
    jobs = plan([photo], tmp_path / "out")
    (outcome,) = run_jobs(jobs, lambda image, on_tile: image, Settings(file_format="webp"), lambda *_: None)
    assert outcome.failure.startswith("the name of its result would have 256 bytes, at most 255 fit")


def test_no_ordinary_image_is_refused():
    """Those that come with the installed packages: thousands of files, none of them made for this."""
    import matplotlib
    import skimage
    import sklearn

    roots = [Path(module.__file__).parent for module in (skimage, sklearn, matplotlib)]
    paths = [path for root in roots for path in search(root).images]
    assert len(paths) > 20
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in paths:
            assert read_image(path).pixels_HWC.shape[:2] == image_size(path), path
