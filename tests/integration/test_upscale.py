"""The upscale command as people call it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from realsr_mod.images.animation import read_animation
from realsr_mod.images.pages import read_pages
from realsr_mod.images.read import read_image
from realsr_mod.inference import batch
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.upscale import app
from realsr_mod.weights.release import load_model, save_model

KDSR = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
MMREALSR = {"scale": 2, "channels": 4, "num_blocks": 1, "growth": 2, "estimator_widths": [4]}
MMREALSR |= {"estimator_blocks": [1], "estimator_downscales": [1]}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("models")
    save_model(KDSRNet(**KDSR), root / "kdsr" / "model", {"_target_": _target(KDSRNet), **KDSR}, {})
    network = MMRealSRNet(**MMREALSR)
    for parameter in network.modulation.parameters():  # initialized so small that sliders would hardly show
        torch.nn.init.normal_(parameter, std=0.3)
    torch.nn.init.normal_(network.restorer.to_rgb.weight, std=0.01)
    torch.nn.init.constant_(network.restorer.to_rgb.bias, 0.5)  # neither black nor white, where sliders do not show
    save_model(network, root / "mm" / "model", {"_target_": _target(MMRealSRNet), **MMREALSR}, {})
    return root


def _target(network_class: type) -> str:
    return f"{network_class.__module__}.{network_class.__name__}"


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "my photos"
    (folder / "Ütrecht").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "a b.png")
    Image.fromarray(noise).save(folder / "a b.jpg")
    Image.fromarray(noise[:, :, 0]).save(folder / "Ütrecht" / "grey.v2.PNG")
    return folder


def run(*arguments: object):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_folder_with_odd_names_keeps_structure_and_formats(models, photos, tmp_path):
    code, output = run(photos, "-o", tmp_path / "out", "--model", models / "kdsr")
    assert code == 0, output
    made = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert made == ["a b.jpg.jpg", "a b.png.png", "Ütrecht/grey.v2.png"]
    assert read_image(tmp_path / "out" / "Ütrecht" / "grey.v2.png").pixels_HWC.shape == (40, 60, 1)
    assert "model: " in output


def test_results_are_kept_unless_overwritten(models, photos, tmp_path):
    arguments = (photos / "a b.png", "-o", tmp_path, "--model", models / "kdsr")
    (tmp_path / "a b.png").write_bytes(b"mine")
    code, output = run(*arguments)
    assert (code, (tmp_path / "a b.png").read_bytes()) == (0, b"mine")
    assert "kept" in output
    code, output = run(*arguments, "--overwrite")
    assert code == 0, output
    assert read_image(tmp_path / "a b.png").pixels_HWC.shape == (40, 60, 3)


def test_an_animation_is_its_first_frame_or_all(models, tmp_path):
    frames = [Image.new("RGB", (20, 16), color) for color in ("#305878", "#785830", "#587858")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[20, 30, 40], loop=2)
    arguments = (tmp_path / "a.gif", "--model", models / "kdsr", "-o")
    code, output = run(*arguments, tmp_path / "first")
    assert (code, [path.name for path in (tmp_path / "first").iterdir()]) == (0, ["a.png"])
    assert "only the first of its images is used" in output
    assert "--frames all takes every one of them" in output
    code, output = run(*arguments, tmp_path / "all", "--frames", "all")
    assert (code, [path.name for path in (tmp_path / "all").iterdir()]) == (0, ["a.gif"])
    animation = read_animation(tmp_path / "all" / "a.gif")
    assert (animation.count, animation.plays, animation.said.pixels_HWC.shape) == (3, 3, (32, 40, 3))
    assert [frame.milliseconds for frame in animation.frames()] == [20, 30, 40]
    for frame, image in zip(animation.frames(), frames, strict=True):  # areas keep their colours
        assert np.abs(frame.pixels_HWC.mean(axis=(0, 1)) - np.asarray(image)[0, 0]).max() < 3
    code, output = run(*arguments, tmp_path / "all", "--frames", "all")
    assert (code, "kept" in output) == (0, True)
    code, output = run(*arguments, tmp_path / "sized", "--frames", "all", "--long-side", 30)
    assert (code, Image.open(tmp_path / "sized" / "a.gif").size) == (0, (30, 24))


def test_a_tiff_is_its_first_page_or_all(models, tmp_path):
    pages = [Image.new("RGB", (20, 16), "#305878"), Image.new("L", (10, 8), 90)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    arguments = (tmp_path / "a.tif", "--model", models / "kdsr")
    code, output = run(*arguments, "-o", tmp_path / "first")
    assert (code, "--frames all takes every one of them" in output) == (0, True)
    assert run(*arguments, "-o", tmp_path / "all", "--frames", "all")[0] == 0
    images = list(read_pages(tmp_path / "all" / "a.tif").images())
    assert [image.pixels_HWC.shape for image in images] == [(32, 40, 3), (16, 20, 1)]
    assert [round(float(image.pixels_HWC[..., 0].mean()) / 8) for image in images] == [0x30 // 8, 90 // 8]
    code, output = run(*arguments, "-o", tmp_path / "b.png", "--frames", "all")
    assert (code, "png holds no pages; choose tiff" in " ".join(output.split())) == (1, True)


def test_names_and_formats_of_animations(models, tmp_path):
    frames = [Image.new("RGBA", (20, 16), color) for color in ("navy", "#0000", "teal")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], duration=50, lossless=True)
    frames[0].convert("RGB").save(tmp_path / "still.gif")
    arguments = ("--model", models / "kdsr", "--frames", "all")
    assert run(tmp_path / "a.webp", *arguments, "-o", tmp_path / "b.gif")[0] == 0
    assert [frame.pixels_HWC[0, 0, 3] for frame in read_animation(tmp_path / "b.gif").frames()] == [255, 0, 255]
    code, output = run(tmp_path / "a.webp", *arguments, "-o", tmp_path, "--format", "jpeg")
    assert (code, "jpeg holds no animation; choose webp or png" in " ".join(output.split())) == (1, True)
    code, output = run(tmp_path / "still.gif", *arguments, "-o", tmp_path / "c.gif")
    assert (code, "it has one frame, and no .gif is written" in " ".join(output.split())) == (1, True)
    code, output = run(tmp_path / "a.webp", "--model", models / "kdsr", "-o", tmp_path / "c.gif")
    assert (code, "no .gif is written here" in " ".join(output.split())) == (1, True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [(["--size", "45x999"], (45, 30)), (["--long-side", 54], (54, 36)), (["-s", 1], (30, 20)), (["-s", 1.5], (45, 30))],
)
def test_size_of_results(models, photos, tmp_path, options, expected):
    code, output = run(photos / "a b.png", "-o", tmp_path / "out.png", "--model", models / "kdsr", *options)
    assert code == 0, output
    assert Image.open(tmp_path / "out.png").size == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "9x9", "--long-side", 5], "--size 9x9 and --long-side 5 both say how large results are"),
        (["--size", "big"], "'big' must be WIDTHxHEIGHT"),
        (["--size", "999", "-s", 2], "outscale=2 and size=999 both say how large"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(models, photos, tmp_path, options, message):
    code, output = run(photos, "-o", tmp_path / "out", "--model", models / "kdsr", *options)
    assert code == 1
    assert message in output
    assert not (tmp_path / "out").exists()


def test_texture_lies_between_two_models(models, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    network = KDSRNet(**KDSR)
    network.load_state_dict(load_model(models / "kdsr").state_dict())
    network.restorer.to_rgb.weight.data *= 2
    save_model(network, tmp_path / "rough", {"_target_": _target(KDSRNet), **KDSR}, {})
    made = {}
    for share in (0, 0.5, 1):
        arguments = ("-o", tmp_path / f"{share}.png", "--model", models / "kdsr", "--texture-model", tmp_path / "rough")
        code, output = run(photos / "a b.png", *arguments, "--texture", share)
        assert code == 0, output
        made[share] = read_image(tmp_path / f"{share}.png").pixels_HWC.astype(float)
    assert f"kdsr, 100% of the way to {tmp_path / 'rough'} (×2, torch" in " ".join(output.split())
    apart, off = np.abs(made[1] - made[0]).mean(), np.abs(made[0.5] - (made[0] + made[1]) / 2).mean()
    assert apart > 3
    assert off < apart / 10  # values beyond black and white are cut
    code, output = run(photos, "-o", tmp_path / "out", "--model", models / "kdsr", "--texture", 0.5)
    assert (code, "kdsr has no counterpart that draws texture; give one of its architecture" in output) == (1, True)
    code, output = run(photos, "-o", tmp_path / "out", "--model", models / "kdsr", "--texture-model", models / "kdsr")
    assert (code, "say how much of it, such as --texture 0.5" in output) == (1, True)


def test_failures_are_listed_and_the_others_done(models, photos, tmp_path):
    (photos / "broken.png").write_bytes(b"")
    code, output = run(photos, tmp_path / "missing.png", "-o", tmp_path / "out", "--model", models / "kdsr")
    assert code == 1
    ending = output[output.index("2 of 5 photos failed") :]
    assert "broken.png: the file is empty" in ending
    assert "missing.png: no such file" in ending
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 3


def test_sliders_change_the_result(models, photos, tmp_path):
    results = []
    for noise in (0, 1):
        code, output = run(
            photos / "a b.png", "-o", tmp_path / str(noise), "--model", models / "mm", "--noise", noise, "--blur", 0.3
        )
        assert code == 0, output
        results.append(read_image(tmp_path / str(noise) / "a b.png").pixels_HWC.astype(int))
    assert np.abs(results[0] - results[1]).max() > 0


def test_colors_are_the_photos_or_the_networks_own(models, tmp_path):
    Image.fromarray(np.full((40, 40, 3), 60, np.uint8)).save(tmp_path / "dark.png")
    means = []
    for options in ([], ["--raw-colors"]):
        code, output = run(
            tmp_path / "dark.png", "-o", tmp_path, "--model", models / "mm", "--suffix", "x", *options, "--overwrite"
        )
        assert code == 0, output
        means.append(read_image(tmp_path / "dark_x.png").pixels_HWC.mean())
    assert abs(means[0] - 60) < 2
    assert abs(means[1] - 60) > 20  # this network adds half of white


def test_outscale_format_and_comparison(models, photos, tmp_path):
    code, output = run(
        photos / "a b.png",
        "-o",
        tmp_path,
        "--model",
        models / "kdsr",
        "--outscale",
        1.5,
        "--format",
        "webp",
        "--compare",
    )
    assert code == 0, output
    assert read_image(tmp_path / "a b.webp").pixels_HWC.shape == (30, 45, 3)
    comparison = read_image(tmp_path / "a b_compare.png").pixels_HWC
    assert comparison.shape[0] > 30, "a strip of labels above"
    assert comparison[-30:].shape == (30, 45 + 8 + 45, 3)
    np.testing.assert_array_equal(comparison[-30:, 45:53], 255)


def test_a_photo_is_never_replaced_by_its_result(models, photos):
    before = (photos / "a b.jpg").read_bytes()
    code, output = run(photos / "a b.jpg", "-o", photos, "--model", models / "kdsr", "--overwrite")
    assert code == 1
    assert "would replace the photo itself" in output
    assert (photos / "a b.jpg").read_bytes() == before


def test_images_of_one_name_all_get_results(models, photos, tmp_path):
    other = tmp_path / "other" / "a b.png"
    other.parent.mkdir()
    Image.new("RGB", (8, 9)).save(other)
    code, output = run(photos / "a b.png", other, "-o", tmp_path / "out", "--model", models / "kdsr")
    assert code == 0, output
    assert read_image(tmp_path / "out" / "my photos" / "a b.png").pixels_HWC.shape == (40, 60, 3)
    assert read_image(tmp_path / "out" / "other" / "a b.png").pixels_HWC.shape == (18, 16, 3)


def test_results_may_go_to_a_folder_above_the_photos(models, photos, tmp_path):
    code, output = run(photos, "-o", tmp_path, "--model", models / "kdsr")
    assert code == 0, output
    assert (tmp_path / "a b.png.png").is_file()


def test_a_wrong_suffix_does_not_replace_what_lies_there(models, tmp_path):
    """What the content's format makes of the name is kept, too."""
    Image.new("RGB", (8, 9)).save(tmp_path / "p.jpg", format="webp")
    (tmp_path / "p.webp").write_bytes(b"mine")
    arguments = (tmp_path / "p.jpg", "-o", tmp_path, "--model", models / "kdsr")
    code, output = run(*arguments)
    assert (code, (tmp_path / "p.webp").read_bytes()) == (0, b"mine")
    assert "kept" in output
    code, output = run(*arguments, "--overwrite")
    assert code == 0, output
    assert read_image(tmp_path / "p.webp").pixels_HWC.shape == (18, 16, 3)


def test_another_photo_is_never_replaced(models, tmp_path):
    for folder in ("", "photos"):
        (tmp_path / "photos" / folder).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 9)).save(tmp_path / "photos" / folder / "p.png")
    before = (tmp_path / "photos" / "p.png").read_bytes()
    code, output = run(tmp_path / "photos", "-o", tmp_path, "--model", models / "kdsr", "--overwrite")
    assert code == 1
    assert "another of the photos; give -o another folder" in output
    assert (tmp_path / "photos" / "p.png").read_bytes() == before


def test_a_missing_comparison_is_made_for_the_result_that_exists(models, photos, tmp_path):
    arguments = (photos / "a b.png", "-o", tmp_path, "--model", models / "kdsr", "--compare")
    Image.new("RGB", (60, 40), "red").save(tmp_path / "a b.png")
    before = (tmp_path / "a b.png").read_bytes()
    code, output = run(*arguments)
    assert (code, (tmp_path / "a b.png").read_bytes()) == (0, before), output
    assert "a b_compare.png was missing and is written" in output
    comparison = read_image(tmp_path / "a b_compare.png").pixels_HWC
    assert comparison.shape[1] == 60 + 8 + 60
    np.testing.assert_array_equal(comparison[-40:, 68:], np.broadcast_to([255, 0, 0], (40, 60, 3)))


def test_unreadable_results_and_old_comparisons_are_kept(models, photos, tmp_path):
    arguments = (photos / "a b.png", "-o", tmp_path, "--model", models / "kdsr", "--compare")
    (tmp_path / "a b.png").write_bytes(b"mine")
    code, output = run(*arguments)
    assert (code, (tmp_path / "a b.png").read_bytes()) == (0, b"mine")
    assert "without a comparison, for it cannot be read" in output
    (tmp_path / "a b.png").rename(tmp_path / "a b_compare.png")
    code, output = run(*arguments)
    assert (code, (tmp_path / "a b_compare.png").read_bytes()) == (0, b"mine")
    assert "a b_compare.png exists and was kept" in output
    assert read_image(tmp_path / "a b.png").pixels_HWC.shape == (40, 60, 3)


def test_interrupted_write_leaves_nothing_behind(models, photos, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(batch, "write_image", fail)
    code, output = run(photos / "a b.png", "-o", tmp_path / "out", "--model", models / "kdsr")
    assert code == 1
    assert "No space left on device" in output
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--noise", "0.5"], "it has no sliders"),
        (["--outscale", "0"], "outscale must be above 0"),
        (["--tile", "7"], "tile must be 0 (no tiles) or at least 32"),
        (["--device", "cuda:99"], "not available here"),
        (["--model", "nowhere"], "no model here"),
    ],
)
def test_impossible_wishes_end_in_one_sentence(models, photos, tmp_path, arguments, message):
    code, output = run(photos, "-o", tmp_path / "out", "--model", models / "kdsr", *arguments)
    assert code == 1
    assert message in output
    assert "Traceback" not in output


def test_newest_is_the_newest_run_and_named(models, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output = run(photos / "a b.png", "--model", "newest")
    assert (code, "no trained model under runs/" in output) == (1, True)
    run_folder = tmp_path / "runs" / "kdsr" / "1"
    run_folder.mkdir(parents=True)
    (run_folder / "model").symlink_to(models / "kdsr" / "model")
    (run_folder / "summary.json").write_text("{}")
    code, output = run(photos / "a b.png", "--model", "newest")
    assert code == 0, output
    assert "model: runs/kdsr/1" in output
    assert (tmp_path / "upscaled" / "a b.png").is_file()


def test_the_real_command_starts_light(models, photos, tmp_path):
    """Help needs no torch, and upscaling no Lightning."""
    command = "import sys; from realsr_mod.upscale import main; {0}; print([m for m in {1} if m in sys.modules])"
    source = command.format("None", "['torch', 'pytorch_lightning', 'cv2']")
    assert subprocess.run([sys.executable, "-c", source], capture_output=True, text=True).stdout == "[]\n"
    arguments = [str(photos / "a b.png"), "-o", str(tmp_path / "out"), "--model", str(models / "kdsr")]
    source = command.format(
        f"sys.argv[1:] = {arguments!r}; import contextlib\nwith contextlib.suppress(SystemExit): main()\n", "[]"
    ).replace("; print([m for m in [] if m in sys.modules])", "print('pytorch_lightning' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
    assert (tmp_path / "out" / "a b.png").is_file()


def test_options_as_users_of_real_esrgan_type_them(models, photos, tmp_path):
    code, output = run("-i", photos / "a b.jpg", "-o", tmp_path, "-n", models / "kdsr", "-s", 3, "--suffix", "out")
    assert code == 0, output
    assert Image.open(tmp_path / "a b_out.jpg").size == (90, 60)
    code, output = run("-i", photos, "-o", tmp_path, "--model_name", models / "kdsr", "--suffix", "a/b")
    assert (code, "without slashes" in output) == (1, True)
    assert run("-o", tmp_path) == (1, "error: no photo is given; give the paths of photos, or of folders of photos\n")


def test_who_stops_is_told_what_is_done(models, photos, tmp_path, monkeypatch):
    real, calls = batch.read_image, []

    def stop_at_the_second(path, *arguments):
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(path, *arguments)

    monkeypatch.setattr(batch, "read_image", stop_at_the_second)
    code, output = run(photos, "-o", tmp_path / "out", "--model", models / "kdsr")
    assert code == 130
    assert "stopped: 1 of 3 photos are done; not done: 2 (" in output
    assert "The same command goes on with these" in output
    assert len(list((tmp_path / "out").rglob("*.*"))) == 1


def test_shares_do_every_photo_once_and_go_on_where_they_stopped(models, photos, tmp_path):
    out, every = tmp_path / "out", {"a b.jpg.jpg", "a b.png.png", "Ütrecht/grey.v2.png"}
    said = [run(photos, "-o", out, "--model", models / "kdsr", "--shard", f"{index}/2") for index in (1, 2)]
    written = {path.relative_to(out).as_posix(): path.stat().st_mtime_ns for path in out.rglob("*.*") if path.is_file()}
    assert written.keys() == every
    assert [code for code, _ in said] == [0, 0]
    assert sum(shown.count("written") for _, shown in said) == len(every)
    again = [run(photos, "-o", out, "--model", models / "kdsr", "--shard", f"{index}/2") for index in (1, 2)]
    assert sum(shown.count("kept") for _, shown in again) == len(every)
    assert {name: (out / name).stat().st_mtime_ns for name in every} == written
    assert "must be I/N" in run(photos, "-o", out, "--model", models / "kdsr", "--shard", "3/2")[1]
