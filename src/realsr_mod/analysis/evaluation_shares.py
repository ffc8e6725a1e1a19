"""Measuring by many jobs: each writes down its share of the figures, and the shares together are the whole's.

A share's file holds what `evaluation.json` does but means, and the place of every image among all of its folder, so
that rows come into the order in which one job would have measured them: then means and intervals have the same bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from realsr_mod.analysis.models import Judged
from realsr_mod.data.checks import list_some
from realsr_mod.metrics.named import MetricName, metric_named
from realsr_mod.runtime.files import read_json, write_json
from realsr_mod.runtime.shards import parse_shard

SHARD = "shard"
_MACHINES = ("device", "machine")  # in which shares may differ
_MOST_BYTES = 4_000_000_000  # of a share: some ten million images


@dataclass
class Measured:
    """What was measured, before means are taken.

    Args:
        models: with a row for every case, all in one order.
        identities: of each model, what `evaluation.json` says of which it is.
        measures: the metrics.
        circumstances: how it was measured, and where.
        sets: how many cases each folder has, by its name, in order; whatever share of them was measured.
        places: of every row, the place of its image among all of its folder.
        skipped: why images were left out, by path.
    """

    models: list[Judged]
    identities: list[dict[str, Any]]
    measures: Sequence[MetricName]
    circumstances: dict[str, Any]
    sets: dict[str, int] = field(default_factory=dict)
    places: list[int] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def write_share(measured: Measured, shard: str, output: Path) -> None:
    """Write down one share, as `joined` reads it."""
    models = [
        {"name": model.name, **identity, "parameters": model.parameters, "sees_hr": model.sees_hr, "images": model.rows}
        for model, identity in zip(measured.models, measured.identities, strict=True)
    ]
    about = {SHARD: shard, **measured.circumstances, "sets": measured.sets}
    about["metrics"] = [measure.name for measure in measured.measures]
    write_json(output, {**about, "models": models, "places": measured.places, "skipped": measured.skipped})


def joined(given: Any) -> Measured:
    """All shares of one measurement, in one.

    Args:
        given: a folder with the shares' files, or a list of them.

    Raises:
        FileNotFoundError: no shares there.
        ValueError: a share is missing, there twice, or of another measurement.
    """
    paths = _files(given)
    parts = [_read(path) for path in paths]
    _check_complete(paths, parts)
    for path, part in zip(paths, parts, strict=True):
        for key in _about(parts[0]) | _about(part):
            if (ours := _about(part).get(key)) != (first := _about(parts[0]).get(key)):
                raise ValueError(f"{path} is of another measurement than {paths[0]}: {key} is {ours}, there {first}")
    try:
        return _together(parts)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"the shares under {paths[0].parent} are damaged ({error!r}); measure them again") from error


def _files(given: Any) -> list[Path]:
    if OmegaConf.is_list(given) or isinstance(given, list):
        return [Path(str(path)).expanduser() for path in given]
    path = Path(str(given)).expanduser()
    if not path.is_dir():
        return [path]
    paths = [file for file in sorted(path.glob("*.json")) if _is_share(read_json(file, _MOST_BYTES))]
    if not paths:
        raise FileNotFoundError(f"join={path}: no share lies there; python -m realsr_mod.evaluate shard=1/2 writes one")
    return paths


def _is_share(content: Any) -> bool:
    return isinstance(content, Mapping) and SHARD in content


def _read(path: Path) -> dict[str, Any]:
    content = read_json(path, _MOST_BYTES)
    if not _is_share(content) or not {"models", "places", "sets", "metrics", "skipped"} <= content.keys():
        raise ValueError(f"{path} is no share of an evaluation; python -m realsr_mod.evaluate shard=1/2 writes such")
    return dict(content)


def _check_complete(paths: Sequence[Path], parts: Sequence[Mapping[str, Any]]) -> None:
    """Raise ValueError unless there is each share of one division, once."""
    shares = [parse_shard(str(part[SHARD]), f"{path}: {SHARD} ") for path, part in zip(paths, parts, strict=True)]
    count = shares[0][1]
    for path, (index, others) in zip(paths, shares, strict=True):
        if others != count:
            raise ValueError(f"{path} is one of {others} shares, {paths[0]} one of {count}; join those of one division")
        if shares.count((index, count)) > 1:
            twice = [path for path, share in zip(paths, shares, strict=True) if share == (index, count)]
            raise ValueError(f"share {index}/{count} is there twice: {twice[0]}, {twice[1]}; keep one of them")
    missing = [f"shard={index}/{count}" for index in range(1, count + 1) if (index, count) not in shares]
    if missing:
        raise ValueError(f"{len(missing)} of {count} shares are missing; measure them:{list_some(missing)}")


def _about(part: Mapping[str, Any]) -> dict[str, Any]:
    """What all shares of a measurement have in common."""
    own = {SHARD, "models", "places", "skipped", *_MACHINES}
    models = [{key: value for key, value in model.items() if key != "images"} for model in part["models"]]
    return {key: value for key, value in part.items() if key not in own} | {"models": models}


def _together(parts: Sequence[Mapping[str, Any]]) -> Measured:
    first = parts[0]
    order = {name: number for number, name in enumerate(first["sets"])}
    places = [place for part in parts for place in part["places"]]
    models = []
    for number, model in enumerate(first["models"]):
        rows = [row for part in parts for row in part["models"][number]["images"]]
        in_order = sorted(zip(rows, places, strict=True), key=lambda both: (order[both[0]["set"]], both[1]))
        network = {"parameters": model["parameters"], "sees_hr": model["sees_hr"]}
        models.append(Judged(model["name"], model["model"], None, [row for row, _ in in_order], **network))
    around = {key: first[key] for key in ("protocol", "scale", "precision")}
    for key in _MACHINES:
        around[key] = "; ".join(dict.fromkeys(part[key] for part in parts))
    return Measured(
        models,
        [{key: model[key] for key in ("model", "sha256")} for model in first["models"]],
        [metric_named(name) for name in first["metrics"]],
        around,
        first["sets"],
        skipped={path: reason for part in parts for path, reason in part["skipped"].items()},
    )
