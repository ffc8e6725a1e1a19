import re
import subprocess
import sys
from pathlib import Path

import pytest

import realsr_mod


def test_every_public_name_is_there():
    assert len(realsr_mod.__all__) <= 13
    assert all(getattr(realsr_mod, name).__name__ == name for name in realsr_mod.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Upscalar'"):
        realsr_mod.Upscalar  # noqa: B018


def test_importing_the_package_does_not_wait_for_torch():
    code = "import sys, realsr_mod, realsr_mod.upscale; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_a_type_checker_is_shown_every_public_name():
    script = (Path(__file__).parents[1] / "typed_use.py").read_text(encoding="utf-8")
    assert re.findall(r"^    realsr_mod\.(\w+)\.not_there", script, re.M) == realsr_mod.__all__
