import subprocess
import sys

import pytest

from realsr_mod.runtime import reference
from realsr_mod.runtime.help import print_help


def in_one_line(text):
    return " ".join(text.split())


def shown(capsys, command, *about):
    print_help(command, "", about)
    return in_one_line(capsys.readouterr().out)


@pytest.mark.parametrize("command", ["train", "evaluate", "explore"])
def test_help_answers_without_torch_and_hydra(command):
    code = (
        f"import sys; sys.argv = ['{command}', '--help']; from realsr_mod.{command} import main; main();"
        "print([name for name in ('torch', 'hydra', 'omegaconf') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "[]\n"
    text = in_one_line(done.stdout)
    assert f"python -m realsr_mod.{command} " in text
    for key in reference.top_level(command).values():
        assert f"{key.path}={key.value} {in_one_line(key.sentence)}" in text
    for group in reference.groups(command).values():
        assert group.name == "experiment" or in_one_line(group.sentence) in text
        for choice in group.choices:
            assert f"{choice} {in_one_line(reference.conf_file(f'{group.folder}/{choice}').summary)}" in text


def test_help_of_evaluate_lists_no_group_that_it_refuses(capsys):
    text = shown(capsys, "evaluate")
    assert "protocol=iso" in text
    assert not any(word in text for word in ("network=", "experiment", "trainer=", "method="))


def test_help_fits_into_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for command in ("train", "evaluate", "explore"):
        module = __import__(f"realsr_mod.{command}", fromlist=["__doc__"])
        print_help(command, module.__doc__)
        assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 80


def test_a_group_is_explained_choice_by_choice_and_no_key_twice(capsys):
    text = shown(capsys, "train", "data")
    assert text.count("side of a training patch in HR pixels") == 1
    assert "data=folder A folder of one's own photos" in text
    assert "data.batch_size=16 data.num_workers=2" in text
    assert "data.val_count: int = 8 photos that are held out" in text


def test_a_choice_is_explained_key_by_key(capsys):
    text = shown(capsys, "train", "method=kdsr_student")
    assert "method.temperature: float = 0.15 softens both representations" in text
    assert "method.optimizer.lr: float = 2.0e-3 learning rate" in text


def test_an_experiment_says_what_it_sets_and_why(capsys):
    text = shown(capsys, "train", "experiment=kdsr_student")
    assert "chooses method=kdsr_student" in text
    assert "trainer.gradient_clip_val: float = 0.5 largest gradient norm; null: any here: a high learning rate" in text


@pytest.mark.parametrize("key", ["seed", "teacher", "data.val_root", "network.estimator_widths"])
def test_a_key_is_explained_alone(capsys, key):
    text = shown(capsys, "train", key)
    assert text.startswith(key)
    assert len(text) < 200


@pytest.mark.parametrize(
    ("topic", "named"),
    [("dta", "did you mean 'data'?"), ("data=foldr", "did you mean 'folder'?"), ("seeed", "did you mean 'seed'?")],
)
def test_what_does_not_exist_is_named_with_what_is_near(topic, named):
    with pytest.raises(ValueError, match="there is no") as error:
        print_help("train", "", [topic])
    assert named in str(error.value)
