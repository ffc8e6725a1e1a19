import os
import sys

from realsr_mod.runtime.processes import finding_modules, run_child


def test_a_child_imports_from_where_this_process_does_and_not_from_the_folder_it_lies_in(tmp_path, monkeypatch):
    (tmp_path / "argparse.py").write_text("open('ran', 'w')")  # which json.tool imports
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "own.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "mine")
    environment = finding_modules(os.environ)
    assert run_child([sys.executable, "-P", "-m", "json.tool", "--help"], environment) == 0
    assert not (tmp_path / "ran").exists()
    assert run_child([sys.executable, "-P", "-m", "own"], environment) == 0
    assert run_child([sys.executable, "-m", "json.tool", "--help"], environment) != 0  # what is prevented
    assert (tmp_path / "ran").exists()
