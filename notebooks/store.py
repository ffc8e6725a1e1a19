"""Run the notebooks from top to bottom and store their outputs in them, or compare with what is stored.

    python notebooks/store.py                      # all of them
    python notebooks/store.py 1_degradations       # one
    python notebooks/store.py --check 3_mmrealsr   # store nothing; say what comes out otherwise

They run where no trained run lies about, so that what is stored is what anybody gets. Of a picture whichever is much
smaller is kept, PNG or JPEG. Numbers that are printed may differ by one in their last digit or by a thousandth, and in
a cell whose metadata say `"tolerance": 0.3` by 30 %: behind it is a training, which ends otherwise on another machine.
"""

import base64
import hashlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import nbformat
import numpy as np
import typer
from nbclient import NotebookClient
from PIL import Image

HERE = Path(__file__).resolve().parent
JPEG_QUALITY = 85
WIDGET = "application/vnd.jupyter.widget-view+json"
ROUNDING = 1e-3  # by which numbers may differ that no training stands behind
MOST_DIFFERENCE = 2 / 255  # of a picture in a cell without tolerance, on average: fonts are drawn a little differently
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")

Cell = Any  # nbformat's nodes are dictionaries with attributes, without types


def sources_hash(notebook: Cell) -> str:
    """Of the code: says whether stored outputs are of these cells."""
    return hashlib.sha256("\n\n".join(cell.source for cell in code_cells(notebook)).encode()).hexdigest()


def executed(path: Path) -> Cell:
    """The notebook with fresh outputs. Raises RuntimeError for warnings, nbclient's CellExecutionError for errors."""
    notebook = nbformat.read(path, as_version=4)
    metadata = dict(notebook.metadata)  # nbclient adds the version of this Python
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "notebooks"  # beside it no `runs`
        place.mkdir()
        (place.parent / "examples").symlink_to(HERE.parent / "examples")
        client = NotebookClient(
            notebook, timeout=None, record_timing=False, resources={"metadata": {"path": str(place)}}
        )
        client.execute(env=os.environ | {"TMPDIR": folder})
    notebook.metadata = nbformat.from_dict(metadata)
    for cell in code_cells(notebook):
        said = [output.text for output in cell.outputs if output.get("name") == "stderr"]
        if said:
            raise RuntimeError(f"{path.name} {cell.id} warns: {' '.join(said)[:500]}")
        cell.outputs = [smaller(output) for output in joined(cell.outputs) if not is_bar(output)]
    return notebook


def code_cells(notebook: Cell) -> list[Cell]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def joined(outputs: list[Cell]) -> list[Cell]:
    """With what a cell prints in one piece: where a stream is cut is chance."""
    kept: list[Cell] = []
    for output in outputs:
        if kept and output.output_type == kept[-1].output_type == "stream":
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def is_bar(output: Cell) -> bool:
    """Whether the output is what remains of a progress bar: nothing to be seen."""
    data = output.get("data")
    return data is not None and (WIDGET in data or (not data.get("text/plain", "").strip() and "image/png" not in data))


def smaller(output: Cell) -> Cell:
    """The output with its picture as JPEG where that takes less than half of the bytes."""
    encoded = output.get("data", {}).get("image/png")
    if encoded is None:
        return output
    picture = picture_of(output)
    assert picture is not None
    png, jpeg = io.BytesIO(), io.BytesIO()
    picture.save(png, "PNG", optimize=True)
    picture.save(jpeg, "JPEG", quality=JPEG_QUALITY, optimize=True)
    kind, file = ("image/jpeg", jpeg) if jpeg.tell() < png.tell() / 2 else ("image/png", png)
    del output.data["image/png"]
    output.data[kind] = base64.b64encode(file.getvalue()).decode()
    output.metadata = nbformat.from_dict({})
    return output


def picture_of(output: Cell) -> Image.Image | None:
    """The picture of an output, without transparency, if it has one."""
    data = output.get("data", {})
    encoded = data.get("image/png") or data.get("image/jpeg")
    return None if encoded is None else Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")


def differences(stored: Cell, fresh: Cell) -> Iterator[str]:
    """What comes out otherwise than it is stored, a sentence each."""
    for old, new in zip(code_cells(stored), code_cells(fresh), strict=True):
        tolerance = old.metadata.get("tolerance")
        for reason in _text_differences(printed(old), printed(new), ROUNDING if tolerance is None else tolerance):
            yield f"{old.id}: {reason}"
        before, after = pictures(old), pictures(new)
        if [picture.size for picture in before] != [picture.size for picture in after]:
            yield f"{old.id}: pictures of other sizes: {[p.size for p in before]}, now {[p.size for p in after]}"
        elif tolerance is None:
            for number, pair in enumerate(zip(before, after, strict=True)):
                first, second = (np.asarray(picture, dtype=np.float32) / 255 for picture in pair)
                if (apart := float(np.abs(first - second).mean())) > MOST_DIFFERENCE:
                    yield f"{old.id}: picture {number} differs by {apart * 255:.1f} of 255 on average"


def printed(cell: Cell) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def pictures(cell: Cell) -> list[Image.Image]:
    return [picture for output in cell.outputs if (picture := picture_of(output)) is not None]


def _text_differences(old: str, new: str, tolerance: float) -> Iterator[str]:
    words = [re.sub(r"\s+", " ", _NUMBER.sub("#", text)) for text in (old, new)]
    if words[0] != words[1]:
        yield f"other words: {old!r}, now {new!r}"
        return
    for first, second in zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=True):
        a, b = float(first), float(second)
        if abs(a - b) > 1.01 * max(_last_digit(first), _last_digit(second)) + tolerance * max(abs(a), abs(b)):
            yield f"{first} is stored, now {second}"


def _last_digit(number: str) -> float:
    """What one in the last digit is worth: 0.01 of 3.14."""
    digits, _, exponent = number.partition("e")
    return float(10.0 ** (int(exponent or 0) - len(digits.partition(".")[2])))


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Notebooks, without .ipynb; all if there are none.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Store nothing; say what comes out otherwise.")] = False,
) -> None:
    """Run notebooks and store their outputs in them, or compare with what is stored."""
    failed = False
    for path in [HERE / f"{name}.ipynb" for name in names] if names else sorted(HERE.glob("*.ipynb")):
        notebook = executed(path)
        if check:
            found = list(differences(nbformat.read(path, as_version=4), notebook))
            print(f"{path.name}: {'as it is stored' if not found else ''}", *found, sep="\n  " if found else "")
            failed |= bool(found)
        else:
            notebook.metadata["stored"] = {"sources_sha256": sources_hash(notebook)}
            nbformat.write(notebook, path)
            print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")
    raise typer.Exit(int(failed))


if __name__ == "__main__":
    typer.run(main)
