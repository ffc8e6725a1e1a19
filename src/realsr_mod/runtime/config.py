"""Where the Hydra tree is: inside an installed package, or at the top of the repository."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
CONF_DIR = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parents[1] / "conf"
