"""OpenVINO without its converter, which takes a tenth of a second to import and tells Google Analytics of each start.

Nothing here converts. Whoever needs `openvino.convert_model` in the same program imports `openvino` first.
"""

import sys

CONVERTER = "openvino.tools.ovc"
_left_out = "openvino" not in sys.modules and CONVERTER not in sys.modules
if _left_out:
    sys.modules[CONVERTER] = None  # type: ignore[assignment]  # importing it fails, which OpenVINO expects
try:
    import openvino as openvino
    from openvino import opset13 as opset13
finally:
    if _left_out:
        del sys.modules[CONVERTER]
