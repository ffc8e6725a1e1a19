"""An installed package works from any folder, without the repository."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from commands import environment

from realsr_mod.weights.catalog import CONFIG_NAME, WEIGHTS_NAME, zoo_names

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_wheel_brings_its_configuration_and_works_anywhere(tmp_path):
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(build, check=True, timeout=120)
    (wheel,) = tmp_path.glob("realsr_mod-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {"realsr_mod/py.typed", "hydra_plugins/realsr_optuna.py"} <= set(archive.namelist())
        sizes = {item.filename: item.file_size for item in archive.infolist() if "/weights/zoo/" in item.filename}
    needed = {f"realsr_mod/weights/zoo/{name}/{file}" for name in zoo_names() for file in (WEIGHTS_NAME, CONFIG_NAME)}
    assert needed <= sizes.keys()
    assert sum(sizes.values()) < 25e6
    elsewhere = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    # A new environment that sees this one's packages, but not the editable install of the repository.
    venv.create(tmp_path / "env", with_pip=False)
    site = next((tmp_path / "env").glob("lib/python*/site-packages"))
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(site)], check=True)
    packages = [path for path in sys.path if path.endswith("site-packages")]
    (site / "others.pth").write_text("\n".join(packages) + "\n")
    code = (
        "import realsr_mod, realsr_mod.runtime.config as c, realsr_mod.runtime.reference as r;"
        "print(realsr_mod.__file__); print(c.CONF_DIR); print(r.choices('experiment'))"
    )
    python = str(tmp_path / "env" / "bin" / "python")
    shown = subprocess.run([python, "-c", code], cwd=tmp_path, env=elsewhere, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    package, conf, experiments = shown.stdout.splitlines()
    assert Path(package).is_relative_to(site)
    assert Path(conf).is_relative_to(site)
    assert "kdsr_student" in experiments
    assert "paper/kdsr_iso_teacher" in experiments
    composed = subprocess.run(
        [python, "-m", "realsr_mod.train", "--cfg", "job"],
        cwd=tmp_path,
        env=elsewhere,
        capture_output=True,
        text=True,
    )
    assert "KDSRStudent" in composed.stdout, composed.stderr
