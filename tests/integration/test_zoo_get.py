"""Real-ESRGAN's own models, fetched as a person does, against what their own runtime makes of them."""

import subprocess
import sys

import pytest
import torch

from realsr_mod.weights import realesrgan
from realsr_mod.weights.release import load_restorer, read_config


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(realesrgan.CACHE_VARIABLE, str(folder))
        command = [sys.executable, "-m", "realsr_mod.zoo", "get", "realesrgan-x4plus"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "Could not fetch URL" in done.stderr or "Connection" in done.stderr:
            pytest.skip("no network")
        assert done.returncode == 0, done.stderr
        yield folder


@pytest.mark.slow
@pytest.mark.parametrize("name", [model.name for model in realesrgan.PUBLISHED])
@torch.no_grad()
def test_fetched_models_give_their_runtime_s_numbers(cache, golden, name):
    tensors, _ = golden("realesrgan_ncnn_a")
    network, model = load_restorer(name), realesrgan.published(name)
    torch.testing.assert_close(network(tensors["input.lr"]), tensors[f"output.{name}"], atol=1e-4, rtol=0)
    assert (network.scale, sum(p.numel() for p in network.parameters())) == (model.scale, model.parameters)
    assert read_config(name)["source"] == f"{name}.param"
