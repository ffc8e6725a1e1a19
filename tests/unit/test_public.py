import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api

import realsr_mod


def test_every_public_name_is_there():
    assert len(realsr_mod.__all__) <= 13
    assert all(getattr(realsr_mod, name).__name__ == name for name in realsr_mod.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Upscalar'"):
        realsr_mod.Upscalar  # noqa: B018


def test_importing_the_package_does_not_wait_for_torch():
    code = "import sys, realsr_mod, realsr_mod.upscale; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.slow
def test_a_type_checker_sees_every_public_name(tmp_path):
    script = tmp_path / "uses_it.py"
    names = [f"reveal_type(realsr_mod.{name})" for name in realsr_mod.__all__]
    script.write_text("\n".join(["import realsr_mod", *names, "realsr_mod.Upscaler.load('newest', tile=[])"]))
    said, trouble, _ = api.run(["--config-file", str(Path(__file__).parents[2] / "pyproject.toml"), str(script)])
    revealed = [line for line in said.splitlines() if "Revealed type" in line]
    assert not trouble
    assert len(revealed) == len(realsr_mod.__all__), said
    assert not [line for line in revealed if line.endswith('"Any"')]
    assert 'incompatible type "list[Never]"; expected "int | str"' in said
