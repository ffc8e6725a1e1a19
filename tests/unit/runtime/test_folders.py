"""Folders for results."""

import pytest

from realsr_mod.runtime.folders import made_for_results


def refused(folder, written):
    with made_for_results(folder) as place:
        assert place.is_dir()
        if written:
            (place / "half").touch()
        raise ValueError("refused")


@pytest.mark.parametrize(("was_there", "written"), [(False, False), (False, True), (True, False)])
def test_after_a_failure_a_folder_that_is_new_and_empty_goes_again(tmp_path, was_there, written):
    folder = tmp_path / "export"
    if was_there:
        folder.mkdir()
    with pytest.raises(ValueError, match="refused"):
        refused(folder, written)
    assert folder.exists() == (was_there or written)


def test_what_is_written_stays(tmp_path):
    with made_for_results(tmp_path / "a" / "b") as place:
        (place / "model").touch()
    assert (tmp_path / "a/b/model").is_file()
