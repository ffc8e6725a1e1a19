"""ONNX under onnxruntime against torch: sizes that were not exported, sliders, metadata."""

import numpy as np
import pytest
import torch

from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.networks.rrdb import RRDBNet
from realsr_mod.weights.onnx_export import export_onnx

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SIZES = [(16, 16), (33, 47), (5, 64)]


def session_of(network, path):
    assert export_onnx(network, path) < 1e-4
    return onnxruntime.InferenceSession(str(path))


def image(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))


@pytest.mark.parametrize(
    "network",
    [KDSRNet(3, 4, 1, 1), RRDBNet(scale=2, channels=4, num_blocks=1, growth=2)],  # the second pads odd sizes
    ids=["kdsr", "rrdbnet_x2"],
)
@torch.no_grad()
def test_agrees_with_torch_at_three_sizes(tmp_path, network):
    session = session_of(network, tmp_path / "model.onnx")
    for size in SIZES:
        found = session.run(None, {"lr": image(*size).numpy()})[0]
        np.testing.assert_allclose(found, network(image(*size)).numpy(), atol=1e-4)
    assert session.get_modelmeta().custom_metadata_map == {"scale": str(network.scale), "degrees": ""}


@torch.no_grad()
def test_degrees_are_an_input_and_nan_means_estimate(tmp_path):
    torch.manual_seed(0)
    network = MMRealSRNet(4, 4, 1, 2, estimator_widths=[4], estimator_blocks=[1], estimator_downscales=[1]).eval()
    for parameter in network.modulation.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # initialized so small that degrees would hardly show
    session = session_of(network, tmp_path / "model.onnx")
    assert session.get_modelmeta().custom_metadata_map["degrees"] == "blur,noise"
    for size in SIZES:
        lr = image(*size)
        blur = network.embed(lr)[0, 0]
        found, used = session.run(None, {"lr": lr.numpy(), "degrees": np.array([[np.nan, 0.8]], np.float32)})
        np.testing.assert_allclose(used, [[blur, 0.8]], atol=1e-4)
        expected = network.restore(lr, torch.tensor([[blur, 0.8]]))
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
        assert np.abs(found - network(lr).numpy()).max() > 1e-3  # the given degree matters
