import torch

from realsr_mod.networks.patch_discriminator import PatchDiscriminator


def test_a_logit_sees_a_patch_of_32_px():
    torch.manual_seed(0)
    network = PatchDiscriminator(4)
    x = torch.rand(2, 3, 96, 96, requires_grad=True)
    logits = network(x)
    assert logits.shape == (2, 1, 24, 24)
    logits[0, 0, 12, 12].backward()
    seen = x.grad.abs().sum(dim=(0, 1))
    rows, columns = (torch.nonzero(seen.sum(dim=axis)).flatten() for axis in (1, 0))
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (32, 32)
    assert rows.min() <= 12 * 4 <= rows.max()
    assert x.grad[1].abs().sum() == 0


def test_features_are_those_of_every_layer():
    network = PatchDiscriminator(4)
    logits, features = network.with_features(torch.rand(1, 3, 32, 32))
    assert [tuple(x.shape[1:]) for x in features] == [(4, 32, 32), (4, 16, 16), (8, 16, 16), (8, 8, 8), (16, 8, 8)]
    torch.testing.assert_close(network.to_logits(features[-1]), logits)


def test_it_learns_within_a_hundred_steps_what_was_added():
    torch.manual_seed(0)
    network = PatchDiscriminator(8)
    optimizer = torch.optim.Adam(network.parameters(), 5e-4, betas=(0.5, 0.99))
    for _ in range(100):
        sharp = torch.randn(4, 3, 32, 32)
        smooth = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1) * 3  # as strong, without what is finest
        real, fake = network(sharp), network(smooth)
        loss = torch.nn.functional.softplus(-real).mean() + torch.nn.functional.softplus(fake).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    assert real.mean() > 2 > -2 > fake.mean()
