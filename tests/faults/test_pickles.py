"""Checkpoints of strangers: none runs, whatever it is made of, and each is refused with a sentence."""

import io
import pickle
import signal
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from faults.refusals import all_of, refusal

from realsr_mod.training.checkpointing import CheckedCheckpointIO, read_training_checkpoint
from realsr_mod.weights.release import load_model
from realsr_mod.weights.state import read_checkpoint


class Call:
    """Is pickled as a call of any function, by its path, with any arguments."""

    def __init__(self, path: str, *arguments: Any) -> None:
        self.path, self.arguments = path, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        module, _, name = self.path.rpartition(".")
        return getattr(__import__(module, fromlist=[name]), name), self.arguments


def calls(canary: Path) -> dict[str, Any]:
    """Objects whose unpickling would leave a file."""
    write = f"open({str(canary)!r}, 'w')"
    touch = f"touch {canary}"
    within = pickle.dumps(Call("os.system", touch))
    return {
        "os.system": Call("os.system", touch),
        "os.popen": Call("os.popen", touch),
        "os.mknod": Call("os.mknod", str(canary)),
        "posix.system": Call("posix.system", touch),
        "subprocess.run": Call("subprocess.run", ["touch", str(canary)]),
        "subprocess.Popen": Call("subprocess.Popen", ["touch", str(canary)]),
        "subprocess.check_output": Call("subprocess.check_output", ["touch", str(canary)]),
        "builtins.eval": Call("builtins.eval", write),
        "builtins.exec": Call("builtins.exec", write),
        "builtins.open": Call("builtins.open", str(canary), "w"),
        "builtins.getattr": Call("builtins.getattr", Path(canary), "touch"),
        "builtins.map": Call("builtins.list", Call("builtins.map", eval, [write])),
        "builtins.compile": Call("builtins.exec", Call("builtins.compile", write, "a", "exec")),
        "operator.methodcaller": Call("operator.methodcaller", "touch"),
        "functools.reduce": Call("functools.reduce", eval, [write, None]),
        "functools.partial": Call("functools.partial", eval, write),
        "runpy.run_path": Call("runpy.run_path", str(canary)),
        "shutil.copy": Call("shutil.copy", __file__, str(canary)),
        "timeit.timeit": Call("timeit.timeit", write, "", 0.0, 1),
        "cProfile.run": Call("cProfile.run", write),
        "pdb.run": Call("pdb.run", write),
        "code.interact": Call("code.InteractiveInterpreter"),
        "ctypes.CDLL": Call("ctypes.CDLL", "libc.so.6"),
        "importlib.import_module": Call("importlib.import_module", "antigravity"),
        "pickle.loads": Call("pickle.loads", within),
        "torch.load": Call("torch.load", str(canary)),
        "torch.storage._load_from_bytes": Call("torch.storage._load_from_bytes", within),
        "torch.hub.load": Call("torch.hub.load", "a/b", "c"),
        "torch.jit.load": Call("torch.jit.load", str(canary)),
        "torch.save": Call("torch.save", 1, str(canary)),
        "hydra.instantiate": Call("hydra.utils.instantiate", {"_target_": "builtins.eval", "_args_": [write]}),
        "yaml.unsafe_load": Call("yaml.unsafe_load", f"!!python/object/apply:os.system ['{touch}']"),
        "numpy.save": Call("numpy.save", str(canary), [1]),
        "realsr_mod.write_json": Call("realsr_mod.runtime.files.write_json", str(canary), 1),
        "logging.FileHandler": Call("logging.FileHandler", str(canary)),
        "sqlite3.connect": Call("sqlite3.connect", str(canary)),
        "tempfile.mkstemp": Call("tempfile.NamedTemporaryFile"),
    }  # fmt: skip


def opcodes(canary: Path) -> dict[str, bytes]:
    """The same by every opcode that can call, written by hand."""
    touch = f"touch {canary}"
    text = b"X" + struct.pack("<I", len(touch)) + touch.encode()
    return {
        "GLOBAL REDUCE": b"\x80\x02cos\nsystem\n" + text + b"\x85R.",
        "INST": b"(" + text + b"ios\nsystem\n.",
        "OBJ": b"(cos\nsystem\n" + text + b"o.",
        "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + text + b"\x85R.",
        "NEWOBJ": b"\x80\x02csubprocess\nPopen\n" + text + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04\x8c\nsubprocess\x8c\x05Popen\x93" + text + b"\x85}\x92.",
        "BUILD": b"\x80\x02ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemscos\nsystem\nsb.",
        "BUILD setstate": b"\x80\x02ctorch._tensor\nTensor\n)\x81}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb.",
        "EXT1": b"\x80\x02\x82\x01" + text + b"\x85R.",
        "PERSID": b"\x80\x02(X\x07\x00\x00\x00storagecos\nsystem\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ.",
        "getattr chain": b"\x80\x02cbuiltins\ngetattr\ncos\n__dict__\n" + text + b"\x86R.",
        "dotted": b"\x80\x04\x8c\x05torch\x8c\x09os.system\x93" + text + b"\x85R.",
        "torch's os": b"\x80\x02ctorch.serialization\nos.system\n" + text + b"\x85R.",
        "type of tensors": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\ncos\nsystem\n"
        + text
        + b"\x85NtR.",
        "PROTO 9": b"\x80\x09N.",
        "nothing on the stack": b"\x80\x02R.",
        "STOP": b".",
        "memo": b"\x80\x02h\x05.",
        "frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.",
        "long": b"\x80\x02\x8b\xff\xff\xff\x7f.",
        "long text": b"\x80\x02X\xff\xff\xff\xff.",
    }


def zipped(content: bytes) -> bytes:
    """As today's torch stores it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return file.getvalue()


def saved(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


SHORT = ("os.system", "builtins.eval", "torch.storage._load_from_bytes", "hydra.instantiate", "GLOBAL REDUCE", "BUILD")
NAMES = [*calls(Path("/nowhere")), *opcodes(Path("/nowhere"))]


def files(name: str, canary: Path) -> dict[str, bytes]:
    """A hostile object in the forms in which checkpoints come."""
    if name in opcodes(canary):
        content = opcodes(canary)[name]
        return {"raw.pth": content, "zip.pt": zipped(content), "zip.ckpt": zipped(content)}
    value = calls(canary)[name]
    weights = OrderedDict(weight=torch.zeros(2), hidden=value)
    return {
        "raw.pth": pickle.dumps(value, 2),
        "newest.pt": pickle.dumps({"state_dict": value}, pickle.HIGHEST_PROTOCOL),
        "zip.pth": saved({"state_dict": weights}),
        "legacy.ckpt": saved(weights, _use_new_zipfile_serialization=False),
        "key.pth": saved({"params": {"weight": torch.zeros(2)}, "other": [value]}),
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", all_of(NAMES, SHORT))
def test_no_pickle_runs(name, canary, tmp_path):
    readers: list[Callable[[Path], Any]] = [read_checkpoint, load_model]
    for file, content in files(name, canary).items():
        path = tmp_path / file
        path.write_bytes(content)
        for read in readers:
            assert str(path) in refusal(lambda path=path, read=read: read(path)), file
        with suppress(Exception):  # torch's own; what counts is that nothing runs
            CheckedCheckpointIO().load_checkpoint(path)


def test_the_trap_works(tmp_path):
    pickle.loads(pickle.dumps(Call("os.mknod", str(tmp_path / "canary"))))
    assert (tmp_path / "canary").exists()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def endless() -> dict[str, bytes]:
    """Pickles that run nothing, and keep torch's restricted unpickler busy for ever, crash it or fill the memory."""
    shared = b")q\x01" + b"h\x01\x86q\x01" * 60  # a tuple of twice the one before, sixty times
    shared_list = b"]q\x01" + b"".join(b"](h\x01h\x01eq\x01" for _ in range(60))
    filled_later = b"".join(b"]q" + bytes([n]) for n in range(61))
    filled_later += b"".join(b"h" + bytes([n]) + b"(h" + bytes([n + 1]) * 2 + b"e" for n in range(60))
    flood = b"".join(b"\x8a\x0a" + (n * (2**61 - 1)).to_bytes(10, "little") + b"K\x01" for n in range(1, 2**12))
    flood_of_pairs = b"".join(
        b"\x8a\x0a" + (n * (2**61 - 1)).to_bytes(10, "little") + b"K\x01\x86" for n in range(1, 99)
    )
    storage = b"ctorch\nFloatStorage\n"
    return {
        "key": b"\x80\x02}" + shared + b"K\x01s.",
        "keys": b"\x80\x02}(" + shared + b"K\x01u.",
        "key of an ordered mapping": b"\x80\x02ccollections\nOrderedDict\n)R" + shared + b"K\x01s.",
        "pairs": b"\x80\x02ccollections\nOrderedDict\n](" + shared + b"K\x01\x86e\x85R.",
        "counted": b"\x80\x02ccollections\nCounter\n](" + shared + b"e\x85R.",
        "set": b"\x80\x02c__builtin__\nset\n](" + shared + b"e\x85R.",
        "attributes": b"\x80\x02ccollections\nOrderedDict\n)R](" + shared + b"K\x01\x86eb.",
        "a size": b"\x80\x02}ctorch\nSize\n" + shared + b"\x85RK\x01s.",
        "storage": b"\x80\x02(" + text("storage") + storage + shared + text("cpu") + b"K\x01tQ.",
        "legacy storage": b"\x80\x02(" + text("storage") + storage + shared + text("cpu") + b"K\x01NtQ.",
        "called": b"\x80\x02" + shared_list + b")R.",
        "built": b"\x80\x02" + shared_list + b"}b.",
        "filled later": b"\x80\x02" + filled_later + b")R.",
        "deep": b"\x80\x02})" + b"\x85" * 400_000 + b"K\x01s.",
        "deep alone": b"\x80\x02)" + b"\x85" * 400_000 + b".",
        "deep lists": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
        "inside itself": b"\x80\x02]q\x01h\x01a.",
        "colliding keys": b"\x80\x02}(" + flood + b"u.",
        "colliding pairs": b"\x80\x02ccollections\nOrderedDict\n](" + flood_of_pairs + b"e\x85R.",
        "buffer": b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\x00\x00\x00\x00\x20\x85R.",
        "tensor": b"\x80\x02ctorch\nFloatTensor\n\x8a\x05\x00\x00\x00\x00\x20\x85R.",
        "untyped storage": b"\x80\x02ctorch.storage\nUntypedStorage\n\x8a\x05\x00\x00\x00\x00\x20\x85R.",
        "punycode": b"\x80\x02c_codecs\nencode\n" + text("ä" + "\u1234" * 100_000) + text("punycode") + b"\x86R.",
        "steps": b"\x80\x02" + b"N" * 5_000_000 + b".",
        "marks": b"\x80\x02" + b"(" * 5_000_000 + b".",
        "other's type": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n" + shared + b"\x85R.",
        "no memo": b"\x80\x02h\x07.",
        "no mark": b"\x80\x02t.",
        "nothing to call": b"\x80\x02R.",
    }


def legacy(content: bytes) -> bytes:
    """As torch stored it before 1.6: four pickles of which this is the last."""
    return (
        b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})) + content
    )


QUICK = ("key", "pairs", "called", "storage", "buffer")


@pytest.mark.parametrize("name", all_of(endless(), QUICK))
def test_no_pickle_is_endless(name, tmp_path):
    content = endless()[name]
    for file, packed in {"zip.pth": zipped(content), "legacy.pt": legacy(content), "raw.ckpt": content}.items():
        path = tmp_path / file
        path.write_bytes(packed)
        for read in (read_checkpoint, read_training_checkpoint):
            assert str(path) in refusal(lambda path=path, read=read: read(path)), file


@pytest.mark.fault
@pytest.mark.parametrize("name", ["key", "deep"])
def test_the_endless_ones_are(name, tmp_path):
    """Without looking first, torch is stopped by a clock or crashes."""
    path = tmp_path / "a.pth"
    path.write_bytes(zipped(endless()[name]))
    load = f"import torch; print('began', flush=True); torch.load({str(path)!r}, weights_only=True)"
    process = subprocess.Popen([sys.executable, "-c", load], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == b"began\n"
    try:
        assert process.wait(2) == -signal.SIGSEGV
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(1).expand(10**9, 10**9),
        torch.zeros(4, 4).to_sparse(),
        torch.quantize_per_tensor(torch.zeros(64, 3, 3, 3), 0.1, 0, torch.quint8),
        torch.zeros(64, 3, 3, 3, device="meta"),
        torch.zeros(()),
        torch.zeros(0, 0, 0, 0),
        torch.zeros(64, 3, 3, 3, dtype=torch.complex64),
        torch.zeros(64, 3, 3, 3, dtype=torch.bool),
        torch.zeros(64, 5, 3, 3),
    ],
    ids=["expanded", "sparse", "quantized", "meta", "scalar", "empty", "complex", "bool", "channels"],
)
def test_odd_tensors_are_refused(value, tmp_path):
    keys = ("conv_first.weight", "body.0.rdb1.conv1.weight", "conv_hr.weight", "conv_last.weight")
    path = tmp_path / "odd.pth"
    torch.save({"params": dict.fromkeys(keys, value)}, path)
    assert str(path) in refusal(lambda: load_model(path))


def test_a_packed_archive_is_refused_before_it_is_unpacked(tmp_path):
    sound = saved({"params": {"weight": torch.zeros(2)}})
    path = tmp_path / "packed.pth"
    with zipfile.ZipFile(io.BytesIO(sound)) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for item in source.infolist():
            content = source.read(item) if not item.filename.endswith("data/0") else bytes(500_000_000)
            target.writestr(item.filename, content)
    assert path.stat().st_size < 1_000_000
    assert str(path) in refusal(lambda: read_checkpoint(path))
    assert str(path) in refusal(lambda: read_training_checkpoint(path))


@pytest.mark.filterwarnings("ignore")
def test_damaged_checkpoints_are_one_kind_of_error(tmp_path):
    import numpy as np

    weights = {f"layer{n}.weight": torch.randn(3, 3) for n in range(5)}
    rng = np.random.default_rng(0)
    path = tmp_path / "a.pth"
    for sound in (saved(weights), saved(weights, _use_new_zipfile_serialization=False)):
        for number in range(150):
            content = bytearray(sound)
            if number % 3 == 0:
                del content[int(rng.integers(1, len(content))) :]
            for place in rng.integers(0, len(content), 4):
                content[place] = int(rng.integers(256))
            path.write_bytes(content)
            try:
                read_checkpoint(path)
            except ValueError as error:
                message = str(error)
                if str(path) not in message:
                    raise


@pytest.mark.parametrize("scheme", ["local://", "file://", ""])
def test_a_checkpoint_cannot_have_files_removed(scheme, tmp_path):
    """Its callbacks' states say which earlier checkpoint goes; Lightning removes whatever lies there, with folders."""
    theirs = tmp_path / "photos"
    theirs.mkdir()
    (theirs / "a.png").write_bytes(b"")
    CheckedCheckpointIO().remove_checkpoint(f"{scheme}{theirs}")
    CheckedCheckpointIO().remove_checkpoint(f"{scheme}{theirs / 'a.png'}")
    assert (theirs / "a.png").exists()
    ours = tmp_path / "step.ckpt"
    ours.write_bytes(b"")
    CheckedCheckpointIO().remove_checkpoint(f"{theirs}/../step.ckpt")
    assert ours.exists()
    CheckedCheckpointIO().remove_checkpoint(ours)
    assert not ours.exists()
