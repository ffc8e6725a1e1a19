"""The Upscaler: kinds of image, sliders, scale, tiles, memory and precision, loading, and that a photo stays itself."""

import logging
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from realsr_mod.images.image import LoadedImage
from realsr_mod.inference import estimate as estimate_module
from realsr_mod.inference import memory
from realsr_mod.inference.upscaler import Upscaler
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.networks.base import EmbeddingRange, SRNetwork
from realsr_mod.networks.rrdb import RRDBNet
from realsr_mod.weights.release import save_model

KDSR = {"scale": 2, "channels": 8, "encoder_blocks": 1, "restorer_blocks": 2}
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def kdsr() -> KDSRNet:
    torch.manual_seed(0)
    return KDSRNet(**KDSR)


@pytest.fixture(scope="module")
def mmrealsr() -> MMRealSRNet:
    torch.manual_seed(0)
    sizes = {"estimator_widths": (4, 8), "estimator_blocks": (1, 1), "estimator_downscales": (2, 1)}
    network = MMRealSRNet(scale=2, channels=8, num_blocks=1, growth=4, **sizes)
    for parameter in network.modulation.parameters():  # initialized so small that degrees would hardly show
        nn.init.normal_(parameter, std=0.1)
    return network


class Enlarge(SRNetwork):
    """Nearest neighbour: what comes out is known."""

    def __init__(self, scale: int = 2) -> None:
        super().__init__()
        self.scale = scale
        self.gain = nn.Parameter(torch.ones(1))

    def restore(self, lr, embedding):
        return self.gain * lr.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)


def nearest(pixels: np.ndarray, scale: int = 2) -> np.ndarray:
    return pixels.repeat(scale, 0).repeat(scale, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (1, 1, 3), (1, 70, 3), (41, 1)])
def test_numpy_keeps_values_type_and_layout(dtype, shape):
    high = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    image = (RNG.random(shape) * high).astype(dtype)
    result = Upscaler(Enlarge(), tile=32)(image)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, nearest(image), rtol=1e-6)


def test_every_16_bit_value_survives():
    image = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(Upscaler(Enlarge(), tile=64)(image), nearest(image))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_pil_keeps_mode_and_profile(mode):
    pixels_HW4 = RNG.integers(0, 256, (6, 9, 4), dtype=np.uint8)
    pixels_HW4[..., 3] |= 1  # what does not show at all gets the colors around it
    image = Image.fromarray(pixels_HW4).convert(mode)
    image.info["icc_profile"] = b"profile"
    result = Upscaler(Enlarge())(image)
    assert (result.mode, result.size) == (mode, (18, 12))
    assert result.info["icc_profile"] == b"profile"
    colors = len(mode.rstrip("A"))
    before, after = (np.asarray(x).reshape(x.height, x.width, -1)[:, :, :colors] for x in (image, result))
    np.testing.assert_array_equal(after, nearest(before))


def test_flat_alpha_stays_flat():
    image = np.full((8, 9, 4), 200, np.uint8)
    assert (Upscaler(Enlarge())(image)[:, :, 3] == 200).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8])
@pytest.mark.parametrize("shape", [(3, 6, 5), (1, 6, 5), (2, 3, 6, 5)])
def test_torch_keeps_type_and_layout(dtype, shape):
    image = (torch.rand(shape) * (255 if dtype == torch.uint8 else 1)).to(dtype)
    result = Upscaler(Enlarge())(image)
    assert result.dtype == dtype
    expected = image.repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 5), np.uint8), np.zeros((4, 4), np.int32), torch.zeros(4, 4), np.zeros((0, 4), np.uint8)]
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match=r"image|pixels must be"):
        Upscaler(Enlarge())(image)


def test_image_keeps_what_is_not_pixels():
    image = LoadedImage(np.zeros((3, 4, 3), np.uint8), "tiff", icc=b"i", exif=b"e", notes=("n",))
    result = Upscaler(Enlarge())(image)
    assert result.pixels_HWC.shape == (6, 8, 3)
    assert (result.format, result.icc, result.exif, result.notes) == ("tiff", b"i", b"e", ("n",))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((24, 100), (17, 24)), ((100, 14), (14, 20)), (40, (28, 40)), ((5, 5), (4, 5)), (1, (1, 1)), ((14, 20), (10, 14))],
)
def test_a_size_is_fitted_inside(size, expected):
    """Of a photo of 10x7 px; of the twofold result where it is smaller than that."""
    image = RNG.integers(0, 256, (7, 10, 3), np.uint8)
    result = Upscaler(Enlarge())(image, size=size)
    assert result.shape == (*expected, 3)
    if expected == (14, 20):
        np.testing.assert_array_equal(result, nearest(image))


def test_at_its_own_size_an_image_is_the_mean_of_what_the_network_makes(kdsr):
    image = RNG.integers(0, 256, (12, 18, 3), np.uint8)
    upscaler = Upscaler(kdsr)
    larger = upscaler(image).astype(float)
    means = larger.reshape(12, 2, 18, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(upscaler(image, outscale=1), means, atol=0.51)
    assert np.abs(means - image).max() > 2  # it was restored


@pytest.mark.parametrize(
    ("arguments", "said"), [({"outscale": 3}, True), ({"size": (60, 60)}, True), ({"outscale": 2}, False)]
)
def test_what_the_network_does_not_make_is_said(arguments, said, caplog):
    Upscaler(Enlarge())(np.zeros((8, 9, 3), np.uint8), **arguments)
    assert ("the network makes 18x16 of this photo" in caplog.text) == said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outscale": 2, "size": 9}, "outscale=2 and size=9 both say how large"),
        ({"size": 0}, "size must be one or two lengths from 1 to 65535 px, got 0"),
        ({"size": (9, 70_000)}, "got (9, 70000)"),
        ({"size": (9, 9, 3)}, "got (9, 9, 3)"),
    ],
)
def test_sizes_that_none_can_have_are_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Upscaler(Enlarge())(np.zeros((4, 4, 3), np.uint8), **arguments)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("outscale", "expected"), [(3.5, (35, 25)), (1.0, (10, 7)), (0.01, (1, 1)), (2, (20, 14))])
def test_outscale_sets_the_size(outscale, expected, channels):
    result = Upscaler(Enlarge())(np.full((10, 7, channels), 99, np.uint8), outscale=outscale)
    assert result.shape == (*expected, channels)
    assert (result == 99).all()


@pytest.mark.parametrize("outscale", [0, -1, 17])
def test_impossible_outscale_is_refused(outscale):
    with pytest.raises(ValueError, match="outscale must be above 0"):
        Upscaler(Enlarge())(np.zeros((2, 2), np.uint8), outscale=outscale)


def test_tiles_do_not_change_the_image(kdsr):
    image = RNG.integers(0, 256, (75, 110, 3), dtype=np.uint8)
    whole, tiled = (Upscaler(kdsr, tile=tile, overlap=8)(image) for tile in (0, 32))
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_flat_image_has_neither_rim_nor_seam(kdsr):
    """PixelShuffle may print a pattern of the scale's period; nothing else may differ anywhere."""
    result = Upscaler(kdsr, tile=32, overlap=8)(np.full((50, 70, 3), 0.4, np.float32))
    np.testing.assert_allclose(result, np.tile(result[:2, :2], (50, 70, 1)), atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1, 500), (500, 1)])
@pytest.mark.parametrize("name", ["kdsr", "mmrealsr", "rrdbnet_x1"])
def test_sides_of_one_pixel_and_odd_sides(request, name, size):
    network = RRDBNet(1, 4, 1, 2) if name == "rrdbnet_x1" else request.getfixturevalue(name)
    result = Upscaler(network, tile=64, overlap=4)(RNG.integers(0, 256, (*size, 3), dtype=np.uint8))
    assert result.shape == (size[0] * network.scale, size[1] * network.scale, 3)


def test_degrees_edit_the_embedding(mmrealsr):
    image = RNG.random((12, 10, 3)).astype(np.float32)
    upscaler = Upscaler(mmrealsr, tile=0)
    assert upscaler.sliders == ("blur", "noise")
    estimated = upscaler.embed(image)
    as_estimated = upscaler(image, blur=float(estimated[0]), noise=float(estimated[1]))
    np.testing.assert_allclose(as_estimated, upscaler(image), atol=1e-6)
    one_set = upscaler(image, noise=1.0)
    np.testing.assert_allclose(one_set, upscaler(image, embedding=torch.tensor([estimated[0], 1.0])), atol=1e-6)
    assert np.abs(one_set - upscaler(image, noise=0.0)).max() > 1e-3


def test_a_slider_that_the_model_lacks_is_named(kdsr, mmrealsr):
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match=r"KDSRNet.*noise; it has no sliders"):
        Upscaler(kdsr)(image, noise=0.5)
    with pytest.raises(ValueError, match="its sliders are: blur, noise"):
        Upscaler(mmrealsr)(image, jpeg=0.5)
    with pytest.raises(ValueError, match=r"blur must be between 0 .* got 1.2"):
        Upscaler(mmrealsr)(image, blur=1.2)
    assert Upscaler(kdsr)(image, noise=None).shape == (8, 8, 3)


def test_embedding_is_the_networks_own_where_the_image_fits(kdsr):
    image = RNG.random((40, 30, 3)).astype(np.float32)
    expected = kdsr.embed(torch.from_numpy(image).permute(2, 0, 1)[None])[0]
    torch.testing.assert_close(Upscaler(kdsr).embed(image), expected.detach(), atol=1e-6, rtol=0)


def test_embedding_of_a_large_image_comes_from_crops_all_over_it(kdsr, monkeypatch):
    image = RNG.random((120, 90, 3)).astype(np.float32)
    whole = Upscaler(kdsr).embed(image)
    monkeypatch.setattr(memory, "CPU_BUDGET_BYTES", 40 * 40 * 2 * 4 * 48.0)  # room for 40x40 px
    seen = []
    embed = KDSRNet.embed
    monkeypatch.setattr(KDSRNet, "embed", lambda self, lr, hr=None: seen.append(lr.shape[-2:]) or embed(self, lr))
    cropped = Upscaler(kdsr).embed(image)
    assert max(seen[1:]) <= (64, 64)
    assert len(seen) > 6
    assert torch.nn.functional.cosine_similarity(cropped, whole, dim=0) > 0.99
    monkeypatch.setattr(estimate_module, "EMBED_PIXELS", 120 * 90 / 4)
    many = len(seen)
    Upscaler(kdsr).embed(image)
    assert len(seen) - many < many  # a sample, not all


class OutOfMemoryAbove(Enlarge):
    def __init__(self, side: int, error: Exception) -> None:
        super().__init__()
        self.side, self.error = side, error

    def restore(self, lr, embedding):
        if lr.shape[-1] > self.side:
            raise self.error
        return super().restore(lr, embedding)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
    ids=["cuda", "python", "cpu"],
)
@pytest.mark.parametrize("tile", [0, 512])
def test_out_of_memory_halves_the_tile_and_says_so(caplog, error, tile):
    image = RNG.integers(0, 256, (100, 300, 3), dtype=np.uint8)
    upscaler = Upscaler(OutOfMemoryAbove(250, error), tile=tile)
    np.testing.assert_array_equal(upscaler(image), nearest(image))
    assert "out of memory" in caplog.text
    assert "trying again with 148 px" in caplog.text
    assert upscaler.tile == 148


def test_out_of_memory_for_ever_ends_with_a_remedy():
    upscaler = Upscaler(OutOfMemoryAbove(1, MemoryError()), tile=0)
    with pytest.raises(MemoryError, match="smallest tiles"):
        upscaler(np.zeros((64, 64, 3), np.uint8))


def test_other_errors_are_not_taken_for_lack_of_memory():
    upscaler = Upscaler(OutOfMemoryAbove(1, RuntimeError("size mismatch")), tile=0)
    with pytest.raises(RuntimeError, match="size mismatch"):
        upscaler(np.zeros((64, 64, 3), np.uint8))


class OverflowsInHalf(Enlarge):
    def restore(self, lr, embedding):
        sr = super().restore(lr, embedding)
        return sr * float("nan") if torch.is_autocast_enabled("cpu") and lr.max() > 0.9 else sr


def test_a_tile_that_overflows_is_computed_again_in_float32(caplog):
    image = np.full((80, 40, 3), 100, np.uint8)
    image[0, 0] = 255
    result = Upscaler(OverflowsInHalf(), tile=32, overlap=0, precision="bfloat16")(image)
    np.testing.assert_array_equal(result, nearest(image))
    assert caplog.text.count("computed again in float32") == 1  # the one tile that holds the bright pixel


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_half_precision_on_a_gpu_stays_near_the_cpu():
    torch.manual_seed(0)
    network = KDSRNet(**KDSR)
    image = RNG.integers(0, 256, (70, 90, 3), dtype=np.uint8)
    expected = Upscaler(network, device="cpu", tile=0)(image).astype(int)
    upscaler = Upscaler(network, device="cuda", tile=32)
    assert upscaler.precision_for(image.dtype) == "float16"
    assert np.abs(upscaler(image) - expected).max() <= 2


def test_damaged_weights_are_named():
    network = Enlarge()
    network.gain.data.fill_(float("nan"))
    with pytest.raises(ValueError, match="weights are damaged"):
        Upscaler(network)(np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "cuda:99"}, "not available"),
        ({"device": "nonsense"}, "not available"),
        ({"precision": "int8"}, "precision must be auto"),
        ({"tile": "big"}, "tile must be auto"),
        ({"tile": 5}, "at least 32"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Upscaler(Enlarge(), **settings)


def test_a_teacher_is_refused():
    with pytest.raises(ValueError, match="use its student"):
        Upscaler(KDSRNet(**KDSR, sees_hr=True))


@pytest.mark.parametrize("how", [Upscaler.load, Upscaler.from_pretrained])
def test_load_from_a_folder_as_the_hub_has_it(tmp_path, kdsr, how):
    config = {"_target_": "realsr_mod.methods.kdsr.network.KDSRNet", **KDSR}
    save_model(kdsr, tmp_path, config, {"method": "kdsr"})
    image = RNG.integers(0, 256, (8, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(how(tmp_path, tile=0)(image), Upscaler(kdsr, tile=0)(image))


def test_from_pretrained_asks_the_hub_for_weights_and_config_alone(tmp_path, kdsr, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    save_model(kdsr, tmp_path, {"_target_": "realsr_mod.methods.kdsr.network.KDSRNet", **KDSR}, {})
    asked = {}

    def snapshot_download(repo_id, **settings):
        asked.update(settings, repo_id=repo_id)
        return str(tmp_path)

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    assert Upscaler.from_pretrained("user/repo", revision="v1").scale == 2
    assert asked == {"repo_id": "user/repo", "revision": "v1", "allow_patterns": ["*.safetensors", "config.json"]}


class Tinted(Enlarge):
    """Moves colours, the more the farther its embedding is from 0; estimates what it is told."""

    def __init__(self, estimate: float) -> None:
        super().__init__()
        self.embedding_dim, self.estimate = 1, estimate

    def embed(self, lr, hr=None):
        return lr.new_full((len(lr), 1), self.estimate)

    def restore(self, lr, embedding):
        return (
            super().restore(lr, embedding)
            + embedding[:, :, None, None] * lr.new_tensor([1.0, -1.0, 0.5])[:, None, None]
        )


def test_colors_of_areas_stay_and_grey_stays_grey():
    color = np.full((40, 40, 3), (90, 120, 150), np.uint8)
    assert np.abs(Upscaler(Tinted(0.05))(color).astype(int) - nearest(color)).max() <= 1
    grey = np.repeat(RNG.integers(60, 200, (40, 40, 1), dtype=np.uint8), 3, axis=2)
    result = Upscaler(Tinted(0.05))(grey)
    assert np.array_equal(result[..., 0], result[..., 1])
    assert np.array_equal(result[..., 0], result[..., 2])


def test_where_colors_move_far_the_typical_estimate_is_tried(caplog):
    network = Tinted(0.4)
    network.embedding_range = EmbeddingRange([-1.0], [1.0], [0.0])
    photo = RNG.integers(100, 140, (40, 40, 3), dtype=np.uint8)
    with caplog.at_level(logging.WARNING):
        result = Upscaler(network)(photo)
    assert "colours of an area moved by" in caplog.text
    assert np.abs(result.astype(int) - nearest(photo)).max() <= 1


def test_an_estimate_outside_what_is_known_is_kept_inside(caplog):
    network = Tinted(0.4)
    network.embedding_range = EmbeddingRange([-0.1], [0.02], [0.0])
    with caplog.at_level(logging.WARNING):
        found = Upscaler(network).embed(RNG.integers(0, 255, (40, 40, 3), dtype=np.uint8))
    assert found.item() == pytest.approx(0.02)
    assert "like none that the model was trained on" in caplog.text
