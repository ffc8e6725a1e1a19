"""Small models as ncnn's files, written by hand: what onnx2ncnn makes of the networks' published programs."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor


class Writer:
    """Collects the layers and weights of a model."""

    def __init__(self, half: bool = True) -> None:
        self.lines: list[str] = ["Input in 0 1 in"]
        self.content = b""
        self.half = half

    def add(self, kind: str, inputs: list[str], params: str = "") -> str:
        """Write a layer; returns the name of its output."""
        name = f"b{len(self.lines)}"
        self.lines.append(f"{kind} {name} {len(inputs)} 1 {' '.join(inputs)} {name} {params}".strip())
        return name

    def conv(self, x: str, weight: Tensor, bias: Tensor, params: str = "") -> str:
        flat = weight.flatten().numpy()
        stored = np.pad(flat.astype("<f2"), (0, flat.size % 2)) if self.half else flat.astype("<f4")
        self.content += (0x01306B47 if self.half else 0).to_bytes(4, "little") + stored.tobytes()
        self.content += bias.numpy().astype("<f4").tobytes()
        return self.add("Convolution", [x], f"0={weight.shape[0]} 1=3 4=1 5=1 6={flat.size} {params}")

    def prelu(self, x: str, slopes: Tensor) -> str:
        self.content += slopes.numpy().astype("<f4").tobytes()
        return self.add("PReLU", [x], f"0={len(slopes)}")

    def save(self, param: Path) -> Path:
        param.write_text("\n".join(["7767517", f"{len(self.lines)} {len(self.lines)}", *self.lines]) + "\n")
        param.with_suffix(".bin").write_bytes(self.content)
        return param


def weights(*shape: int) -> Tensor:
    """Weights that float16 holds exactly, so that both ways to store them are one model."""
    return (torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) * 0.1).half().float()


def compact(scale: int = 2, channels: int = 4, num_convs: int = 1, resize: float = 1, half: bool = True) -> Writer:
    """SRVGGNetCompact."""
    writer = Writer(half)
    x = "in"
    for inputs in [3] + [channels] * num_convs:
        x = writer.prelu(writer.conv(x, weights(channels, inputs, 3, 3), weights(channels)), weights(channels))
    x = writer.conv(x, weights(3 * scale**2, channels, 3, 3), weights(3 * scale**2))
    x = writer.add("PixelShuffle", [x], f"0={scale}")
    x = writer.add("BinaryOp", [x, writer.add("Interp", ["in"], f"0=1 1={scale} 2={scale}")], "0=0")
    if resize != 1:
        writer.add("Interp", [x], f"0=3 1={resize} 2={resize}")
    return writer


def rrdb(channels: int = 4, growth: int = 2, doublings: int = 2, residual: float = 0.2, half: bool = True) -> Writer:
    """RRDBNet of one block; every other addition as ncnn's optimizer writes it."""
    writer = Writer(half)
    leaky = "9=2 -23310=1,2.000000e-01"
    square = weights(channels, channels, 3, 3), weights(channels)
    head = x = writer.conv("in", weights(channels, 3, 3, 3), weights(channels))
    for _ in range(3):
        features = [x]
        for width in (growth,) * 4:
            read = features[0] if len(features) == 1 else writer.add("Concat", features, "0=0")
            inputs = channels + growth * (len(features) - 1)
            features.append(writer.conv(read, weights(width, inputs, 3, 3), weights(width), leaky))
        joined = writer.add("Concat", features, "0=0")
        last = writer.conv(joined, weights(channels, channels + 4 * growth, 3, 3), weights(channels))
        x = writer.add("Eltwise", [last, x], f"0=1 -23301=2,{residual:.6e},1.000000e+00")
    scaled = writer.add("BinaryOp", [x], f"0=2 1=1 2={residual}")
    x = writer.add("BinaryOp", [scaled, head], "0=0")
    x = writer.add("BinaryOp", [head, writer.conv(x, *square)], "0=0")
    for _ in range(doublings):
        x = writer.conv(writer.add("Interp", [x], "0=1 1=2.0 2=2.0"), *square, leaky)
    x = writer.add("ReLU", [writer.conv(x, *square)], "0=0.2")
    writer.conv(x, weights(3, channels, 3, 3), weights(3))
    return writer
