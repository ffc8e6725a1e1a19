"""ncnn's files from strangers: everything that is not as it should be is refused with a sentence, and soon."""

import time

import ncnn_files
import pytest

from realsr_mod.weights.ncnn.networks import read_ncnn


def changed(tmp_path, old, new):
    """A good model whose graph was changed; every piece of `old` must be there."""
    path = ncnn_files.compact().save(tmp_path / "m.param")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("7767517", "7767516", "not a .param file of ncnn"),
        ("PReLU b2", "PReLU", "and names others|no layer"),
        ("9 9", "10 9", "says that it has 10 layers, and has 9: it is truncated"),
        ("0=4 1=3", "0=4 1=9", "no convolution of 1 or 3 pixels"),
        ("0=4 1=3", "0=4 1=3 3=2", "no convolution of 1 or 3 pixels that keeps the size"),
        ("0=4 1=3", "0=4 1=3 8=1", "quantized to int8; only float32 and float16"),
        ("0=4 1=3", "0=400000000 1=3", "400000000 channels"),
        ("6=108", "6=108000000000", "says 108000000000 weights, expected 108"),
        ("0=4 1=3", "0=nan 1=3", "no param: '0=nan'"),
        ("0=4 1=3", "0=4 1=3 -23310=9,1", "another length than it says"),
        ("PReLU b2 1 1 b1 b2 0=4", "PReLU b2 1 1 b1 b2 0=3", "3 slopes for 4 channels"),
        ("PReLU b2 1 1 b1 b2", "Evil b2 1 1 b1 b2", "a Evil of 1 inputs, which is not read"),
        ("PReLU b2 1 1 b1 b2", "PReLU b2 1 1 b7 b2", "reads b7, which no layer before it makes"),
        ("0=1 1=2 2=2", "0=1 1=1000000 2=1000000", "times the size"),
        ("0=1 1=2 2=2", "0=1 1=2 2=3", "does not resize by one factor"),
        ("PixelShuffle b6 1 1 b5 b6 0=2", "PixelShuffle b6 1 1 b5 b6 0=0", "folds by 0"),
        ("0=0", "0=7", "computes operation 7"),
    ],
)
def test_bad_graphs(tmp_path, old, new, message):
    path = changed(tmp_path, old, new)
    started = time.perf_counter()
    with pytest.raises(ValueError, match=message):
        read_ncnn(path)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], "m.bin: ends too early"),
        (lambda content: content + b"\0\0\0\0", "m.bin: 4 bytes more than its .param"),
        (lambda content: b"", "m.bin: ends too early"),
        (lambda content: (0x000D4B38).to_bytes(4, "little") + content[4:], "m.bin: weights are stored as int8"),
        (lambda content: b"\1\2\3\4" + content[4:], "stored as a table of 256 values"),
        (lambda content: b"<!DOCTYPE html><html>", "m.bin: a web page"),
        (lambda content: b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "m.bin: a Git-LFS pointer"),
    ],
)
def test_bad_weights(tmp_path, change, message):
    path = ncnn_files.compact().save(tmp_path / "m.param")
    weights = path.with_suffix(".bin")
    weights.write_bytes(change(weights.read_bytes()))
    with pytest.raises(ValueError, match=message):
        read_ncnn(path)


def test_a_graph_that_would_take_ages_is_refused(tmp_path):
    writer = ncnn_files.Writer()
    x = writer.add("Interp", ["in"], "0=1 1=16 2=16")
    for _ in range(12):  # each joins what was with itself: 3, 6, 12 … channels
        x = writer.add("Concat", [x] * 2, "0=0")
    path = writer.save(tmp_path / "m.param")
    with pytest.raises(ValueError, match=r"needs 0e\+00 multiplications and 6e\+06 values per pixel"):
        read_ncnn(path)


def test_binary_and_huge_graphs_are_refused(tmp_path):
    path = ncnn_files.compact().save(tmp_path / "m.param")
    path.write_bytes((7767517).to_bytes(4, "little") + bytes(100))
    with pytest.raises(ValueError, match=r"m.param: a binary .param file; give the text one"):
        read_ncnn(path)
    path.write_text("7767517\n20000 20000\n" + "Split s 0 0\n" * 20000)
    with pytest.raises(ValueError, match=r"20000 layers, at most 10000 are read"):
        read_ncnn(path)
    path.write_bytes(b"7" * 2_000_001)
    with pytest.raises(ValueError, match=r"2 MB; a .param file is a text"):
        read_ncnn(path)
