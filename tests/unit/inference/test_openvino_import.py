"""What comes with OpenVINO and what does not."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from realsr_mod.inference.engines.openvino_import import openvino
assert openvino.Core and not [name for name in sys.modules if "telemetry" in name or name.startswith("openvino.tools")]
from openvino.tools.ovc import convert_model
"""


def test_openvino_reports_nothing_and_its_converter_can_be_imported_afterwards():
    pytest.importorskip("openvino")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
