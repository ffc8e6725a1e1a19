import pytest
import torch

from realsr_mod.devices import best_precision


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [({"avx2": True}, "32-true"), ({"avx512_bf16": True}, "bf16-mixed"), ({"amx_bf16": True}, "bf16-mixed")],
)
def test_bf16_where_the_cpu_multiplies_it(capabilities, precision, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert best_precision("cpu") == precision
