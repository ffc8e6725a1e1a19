import pytest
import torch

from realsr_mod.runtime.devices import best_precision


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"cpu_name": "Intel Core", "avx2": True}, "float32"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True}, "float32"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, "bfloat16"),
        ({"cpu_name": "AMD EPYC 9654", "avx512_bf16": True}, "bfloat16"),
        ({}, "float32"),
    ],
)
def test_bf16_where_the_cpu_is_faster_in_it(capabilities, precision, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert best_precision("cpu") == precision
