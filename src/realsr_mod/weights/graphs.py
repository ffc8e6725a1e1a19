"""A network as two ONNX graphs, what it restores by and what it estimates by, for engines that need no torch.

Networks of the zoo bring theirs along, without weights: those lie beside them in `model.safetensors`. Of other models
they are made once (`weights.onnx_export.export_graphs`), weights included, and kept in the user's cache folder under
the hash of the model's files, so what is found there is of those very files.

    graphs.json    scale, embedding, memory
    restore.onnx   lr (1, 3, H, W), embedding (1, D) to sr (1, 3, sH, sW)
    embed.onnx     lr (1, 3, H, W) to embedding (1, D); none where D = 0
"""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from realsr_mod.runtime.files import read_json, write_json
from realsr_mod.weights.locate import NCNN_SUFFIX, NCNN_WEIGHTS_SUFFIX, ModelLocation

INFO_NAME = "graphs.json"
VERSION = 1  # of what is exported and how; another one makes all kept graphs anew


@dataclass(frozen=True)
class GraphInfo:
    """What an engine must know that the graphs do not say.

    Args:
        weights: SHA-256 of the weights they are of.
        network: its class, for messages.
        scale, embedding_dim, embedding_names: see `SRNetwork`.
        restore_bytes, embed_bytes: memory for each LR pixel, see `networks.footprint.bytes_per_pixel`.
        embedding_range: `low`, `high`, `typical` of the embeddings it knows, see `EmbeddingRange`; None: not measured.
    """

    weights: str
    network: str
    scale: int
    embedding_dim: int
    embedding_names: tuple[str, ...]
    restore_bytes: float
    embed_bytes: float
    embedding_range: dict[str, list[float]] | None = None
    version: int = VERSION


@dataclass(frozen=True)
class Graphs:
    """The graphs in a folder."""

    folder: Path
    info: GraphInfo

    @property
    def restore(self) -> Path:
        return self.folder / "restore.onnx"

    @property
    def embed(self) -> Path:
        return self.folder / "embed.onnx"

    @property
    def key(self) -> str:
        """The same for the same graphs and weights alone."""
        return hashlib.sha256(repr(self.info).encode()).hexdigest()[:24]


def cache_folder(*parts: str) -> Path:
    """A folder for what can be made again: `~/.cache/realsr_mod/…`, or what the system has for it. It may not exist."""
    return user_cache_path("realsr_mod", appauthor=False).joinpath(*parts)


def kept_folder(model: ModelLocation) -> Path:
    """Where graphs of a model that brings none are kept."""
    digest = hashlib.sha256(f"{VERSION} {sha256_of(model.weights)}".encode())
    if model.kind == "released":
        digest.update(_digest(model.config))
    return cache_folder("graphs", digest.hexdigest()[:24])


def find_graphs(model: ModelLocation) -> Graphs | None:
    """The graphs of a model if it brings them, or if they were made before; None else.

    Those of the zoo are taken from the package alone: a folder from elsewhere cannot bring a graph of its own.
    """
    for folder in ([model.weights.parent] if model.in_zoo else []) + [kept_folder(model)]:
        found = read_graphs(folder)
        if found is not None and found.info.weights == sha256_of(model.weights):
            return found
    return None


def read_graphs(folder: Path) -> Graphs | None:
    """The graphs in a folder; None if there are none of this version."""
    try:
        content: Any = read_json(folder / INFO_NAME)
        info = GraphInfo(**content | {"embedding_names": tuple(content["embedding_names"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    graphs = Graphs(folder, info)
    complete = graphs.restore.is_file() and (info.embedding_dim == 0 or graphs.embed.is_file())
    return graphs if info.version == VERSION and complete else None


def write_info(folder: Path, info: GraphInfo) -> None:
    """Written last: graphs without it do not count."""
    write_json(folder / INFO_NAME, asdict(info))


def sha256_of(weights: Path) -> str:
    """Of a file of weights, or of both of ncnn's."""
    if weights.suffix == NCNN_SUFFIX:
        return hashlib.sha256(_digest(weights) + _digest(weights.with_suffix(NCNN_WEIGHTS_SUFFIX))).hexdigest()
    return _digest(weights).hex()


def _digest(path: Path) -> bytes:
    """SHA-256 of a file that nobody has looked at yet: however long it is, little of it is in memory at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
