import io
import pickle
from collections import Counter, OrderedDict

import pytest
import torch
from torch import nn

from realsr_mod.weights.pickles import check_pickles


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file


def state():
    """What training programs save: weights of several kinds, optimizers, schedules, notes."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(2, 2).half())
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    network[0](torch.zeros(1, 3, 4, 4)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4, 4])
    shared = torch.zeros(3)
    return {
        "params_ema": network.state_dict(),
        "state_dict": OrderedDict(parameter=nn.Parameter(torch.ones(2)), view=torch.zeros(4, 4)[1:, ::2]),
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [schedule.state_dict()],
        "kinds": [torch.zeros((), dtype=kind) for kind in (torch.bfloat16, torch.float64, torch.int64, torch.bool)],
        "shared": [shared, shared, shared],
        "notes": {"dtype": torch.float16, "device": torch.device("cpu"), "size": torch.Size([1, 2]), "seed": 2**63},
        "more": [None, True, 1.5, -1, 300, 70_000, (), (1, (2, (3, 4))), "ä", {0: [], 1: {}}, Counter("aab")],
    }


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.*")
@pytest.mark.parametrize("zipped", [True, False])
def test_what_training_programs_save_is_let_through_and_read_as_before(zipped):
    file = saved(state(), _use_new_zipfile_serialization=zipped)
    check_pickles(file)
    content = torch.load(file, weights_only=True)
    assert content["notes"] == state()["notes"]
    assert content["more"] == state()["more"]
    assert content["shared"][0] is content["shared"][2]


class AsPython2:
    """Is stored as Python 2 stored an ordered mapping: a list of pairs."""

    def __init__(self, *pairs):
        self.pairs = list(pairs)

    def __reduce__(self):
        return OrderedDict, (self.pairs,)


@pytest.mark.parametrize("pairs", [[], [["weight", torch.ones(2)], ["bias", torch.zeros(1)]], [("epoch", 3)]])
def test_ordered_mappings_of_python_2_are_let_through(pairs):
    file = saved({"state_dict": AsPython2(*pairs)})
    check_pickles(file)
    assert list(torch.load(file, weights_only=True)["state_dict"]) == [key for key, _ in pairs]


@pytest.mark.parametrize("pair", [[(1, 2), 0], ["a"], ["a", 1, 2], "ab", 3, [2**61, 0], {"a": 1}])
def test_pairs_that_are_none_are_refused(pair):
    with pytest.raises((ValueError, pickle.UnpicklingError), match="a OrderedDict of"):
        check_pickles(saved({"state_dict": AsPython2(["weight", 1], pair)}))


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({(1, 2): 0}, "key"),
        ({1.5: 0}, "key"),
        ({2**61 - 1: 0}, "key"),  # its hash is that of 0
        ({"a": 2**90}, "80 bits"),
        ({"a": {1, 2}}, "__builtin__ set"),
        ({"a": b"bytes"}, "_codecs encode"),
        ({"a": bytearray(3)}, "__builtin__ bytearray"),
        ({"a": torch.zeros(2).to_sparse()}, "_rebuild_sparse_tensor"),
        ({"a": nn.ReLU()}, "torch.nn.modules.activation ReLU"),
    ],
)
def test_what_no_state_dict_is_made_of_is_named(value, named):
    with pytest.raises((ValueError, pickle.UnpicklingError), match=named):
        check_pickles(saved(value))


def test_values_that_hold_themselves_or_too_many_are_refused():
    inside_itself = []
    inside_itself.append(inside_itself)
    deep = []
    for _ in range(150):
        deep = [deep]
    wide = [0]
    for _ in range(40):
        wide = [wide, wide]
    for value, named in ((inside_itself, "100 deep"), (deep, "100 deep"), (wide, "4000000 values")):
        with pytest.raises(ValueError, match=named):
            check_pickles(saved({"a": value}))
