import pytest
import torch

from realsr_mod.runtime.devices import best_precision


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [({"avx2": True}, "float32"), ({"avx512_bf16": True}, "bfloat16"), ({"amx_bf16": True}, "bfloat16")],
)
def test_bf16_where_the_cpu_multiplies_it(capabilities, precision, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert best_precision("cpu") == precision
