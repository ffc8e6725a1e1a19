"""Models as ncnn's two files, for upscayl, chaiNNer and realesrgan-ncnn-vulkan on any GPU, checked against torch.

ncnn has no estimate of the degradation: what a network would estimate is fixed when it is written ("baked").
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from realsr_mod.networks.base import SRNetwork
from realsr_mod.runtime.files import atomic_write

NEEDS_EXTRA = "format=ncnn needs an extra: pip install 'realsr-mod[ncnn]'"
MAX_NCNN_ERROR = 5e-3  # weights are kept in half precision, as in all published models
_SIZES = ((24, 20), (32, 36))  # two sizes tell pnnx that height and width may be any
_NAMES = {"in0": "data", "out0": "output"}  # what those programs call input and output


class _Baked(nn.Module):
    """A network under one embedding: (1, 3, H, W) to (1, 3, sH, sW)."""

    embedding_1D: Tensor

    def __init__(self, network: SRNetwork, embedding_D: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("embedding_1D", embedding_D[None])

    def forward(self, lr: Tensor) -> Tensor:
        return self.network.restore(lr, self.embedding_1D)


@torch.no_grad()
def export_ncnn(network: SRNetwork, param: str | Path, embedding_D: Tensor | None = None) -> float:
    """Write NAME.param and NAME.bin, for photos of any size, and check them under ncnn.

    Args:
        network: what is written.
        param: path of the `.param` file; the `.bin` goes beside it.
        embedding_D: what the network is to take the degradation for, (D,); none for networks that look at none.

    Returns the largest difference from torch.

    Raises:
        ImportError: pnnx or ncnn is missing.
        ValueError: an embedding is missing, ncnn lacks something that the network needs, or it computes otherwise.
    """
    try:
        import ncnn
        from pnnx import EXEC_PATH
    except ImportError as error:
        raise ImportError(NEEDS_EXTRA) from error
    dim = network.embedding_dim
    if embedding_D is None:
        embedding_D = torch.zeros(0)
    if embedding_D.shape != (dim,):
        raise ValueError(
            f"this network needs an embedding of {dim} numbers to be fixed, got {tuple(embedding_D.shape)}"
        )
    if network.borrowed:
        raise ValueError(
            f"ncnn computes the sliders of a {type(network).__name__} otherwise than torch; take format=onnx, or "
            f"export {', '.join(network.borrowed.values())}, whose pictures these are where no slider is turned"
        )
    if getattr(getattr(network, "restorer", None), "fold", 1) != 1:
        raise ValueError(
            "ncnn cannot fold photos of any size, as this network of a smaller scale does; export one of ×4, or "
            "take format=onnx"
        )
    model = _Baked(network.cpu().eval(), embedding_D.cpu().float()).eval()
    param = Path(param)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        traced = torch.jit.trace(model, _image(_SIZES[0]), check_trace=False)
        torch.jit.save(traced, str(folder / "model.pt"))
        shapes = [f"inputshape{'' if i == 0 else 2}=[1,3,{h},{w}]" for i, (h, w) in enumerate(_SIZES)]
        done = subprocess.run([EXEC_PATH, "model.pt", *shapes], cwd=folder, capture_output=True, text=True, check=False)
        written = [folder / f"model.ncnn{suffix}" for suffix in (".param", ".bin")]
        lacking = [line for line in done.stderr.splitlines() if line.startswith("ignore")]
        if done.returncode or lacking or not all(path.is_file() for path in written):
            raise ValueError(f"pnnx cannot write a {type(network).__name__}: {(lacking or ['it failed'])[0][:200]}")
        contents = (_renamed(written[0].read_text()).encode(), written[1].read_bytes())
    for path, content in zip((param, param.with_suffix(".bin")), contents, strict=True):
        with atomic_write(path) as file:
            file.write(content)
    return _largest_difference(ncnn.Net(), ncnn.Mat, param, model)


def _renamed(text: str) -> str:
    """The graph with the names of input and output that other programs ask for."""
    lines = [" ".join(_NAMES.get(word, word) for word in line.split()) for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def _image(size: tuple[int, int]) -> Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(size[0]))


def _largest_difference(net: Any, ncnn_matrix: Any, param: Path, model: nn.Module) -> float:
    """Compare with torch at a size that was not written down; raise where they differ."""
    net.opt.use_vulkan_compute = False
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = net.opt.use_bf16_packed = False
    if net.load_param(str(param)) or net.load_model(str(param.with_suffix(".bin"))):
        raise ValueError(f"{param}: ncnn cannot load what pnnx wrote")
    lr = _image((17, 31))
    with net.create_extractor() as extractor:
        extractor.input("data", ncnn_matrix(lr[0].numpy()))
        _, output = extractor.extract("output")
        found = np.array(output)
    expected = model(lr)[0].numpy()
    difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
    if not difference <= MAX_NCNN_ERROR:
        raise ValueError(f"{param}: ncnn differs from torch by {difference:.2g}, more than {MAX_NCNN_ERROR:g}")
    return difference
