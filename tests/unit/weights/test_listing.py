from rich.console import Console

from realsr_mod.weights import catalog, realesrgan
from realsr_mod.weights.listing import print_models


def test_every_name_is_shown_whole_in_80_columns():
    out = Console(width=80, record=True, quiet=False)
    print_models(out)
    text = out.export_text()
    for model in (*catalog.entries(), *realesrgan.PUBLISHED):
        assert f" {model.name} " in text, model.name
    assert realesrgan.LICENSE in text
    assert "zoo get" in text
