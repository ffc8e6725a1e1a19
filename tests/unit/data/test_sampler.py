"""The order of photos is a function of (seed, step), shared out over ranks without repeats."""

import itertools

import pytest

from realsr_mod.data.sampler import StepBatchSampler


def indices(batches):
    return [slot.image for batch in batches for slot in batch]


def test_each_pass_takes_every_photo_once_in_a_new_order():
    seen = indices(StepBatchSampler(num_items=10, batch_size=4, num_steps=5, seed=1))
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]
    assert seen != indices(StepBatchSampler(10, 4, 5, seed=2))
    assert seen == indices(StepBatchSampler(10, 4, 5, seed=1))


@pytest.mark.parametrize("start", [0, 1, 4, 7])
def test_starting_at_any_step_gives_exactly_the_tail(start):
    whole = list(StepBatchSampler(5, 3, num_steps=7, seed=3, rank=1, world_size=2))
    sampler = StepBatchSampler(5, 3, num_steps=7, seed=3, rank=1, world_size=2, start_step=start)
    assert list(sampler) == whole[start:]
    assert [slot.step for batch in whole for slot in batch] == [step for step in range(7) for _ in range(3)]
    assert len(sampler) == 7


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_never_repeat_each_others_photos(world_size):
    samplers = [
        StepBatchSampler(12, 2, 12 // (2 * world_size), rank=r, world_size=world_size) for r in range(world_size)
    ]
    assert sorted(indices(itertools.chain(*samplers))) == list(range(12))


def test_two_ranks_do_together_what_one_does_with_twice_the_batch():
    one = list(StepBatchSampler(7, 6, 9, seed=5))
    first, second = (list(StepBatchSampler(7, 3, 9, seed=5, rank=rank, world_size=2)) for rank in (0, 1))
    assert [a + b for a, b in zip(first, second, strict=True)] == one


def test_a_batch_larger_than_the_set_repeats_photos_evenly():
    (batch,) = StepBatchSampler(num_items=3, batch_size=8, num_steps=1)
    counts = [indices([batch]).count(i) for i in range(3)]
    assert sorted(counts) == [2, 3, 3]
    assert [slot.row for slot in batch] == list(range(8))


def test_empty_things_are_refused():
    with pytest.raises(ValueError, match="at least 1, got 0, 4 and 5"):
        StepBatchSampler(0, 4, 5)
