import pytest
import torch

from realsr_mod.degradations.resize import resize
from realsr_mod.methods.kdsr.loss import DistillationLoss
from realsr_mod.methods.kdsr.network import KDSRNet


@pytest.mark.parametrize("name", ["kdsr_kd_loss_x2", "kdsr_kd_loss_x4"])
def test_distillation_loss_equals_the_papers_program(golden, name):
    tensors, metadata = golden(name)
    loss = DistillationLoss(metadata["temperature"])(tensors["input.student"], tensors["input.teacher"])
    assert loss.item() == pytest.approx(tensors["output.loss"].item(), rel=1e-5)


@pytest.mark.parametrize(
    ("channels", "encoder_blocks", "restorer_blocks", "millions"),
    [(64, 9, 53, 5.80), (128, 5, 28, 14.19), (128, 6, 42, 18.85)],
    ids=["M", "L", "GAN"],
)
def test_published_sizes(channels, encoder_blocks, restorer_blocks, millions):
    with torch.device("meta"):
        network = KDSRNet(4, channels, encoder_blocks, restorer_blocks)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == millions


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_scale_enlarges_and_reads_hr(scale):
    teacher = KDSRNet(scale, channels=4, encoder_blocks=1, restorer_blocks=1, sees_hr=True)
    lr, hr = torch.rand(2, 3, 6, 5), torch.rand(2, 3, 6 * scale, 5 * scale)
    idr, distilled = teacher.encode(lr, hr)
    assert idr.shape == (2, 4)
    assert distilled.shape == (2, 16)
    assert teacher.restore(lr, idr).shape == hr.shape
    assert not torch.equal(idr, teacher.embed(lr, hr.flip(-1)))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_other_upsamplers_enlarge_too_and_wrong_ones_are_named(scale):
    size = {"scale": scale, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
    lr = torch.rand(2, 3, 6, 5)
    assert KDSRNet(**size, upsampler="resize_conv")(lr).shape == (2, 3, 6 * scale, 5 * scale)
    with pytest.raises(ValueError, match="upsampler must be pixel_shuffle or resize_conv, got 'nearest'"):
        KDSRNet(**size, upsampler="nearest")


def test_each_image_is_steered_by_its_own_embedding():
    network = KDSRNet(2, channels=4, encoder_blocks=1, restorer_blocks=1)
    lr, idr = torch.rand(2, 3, 6, 5), torch.rand(2, 4)
    both = network.restore(lr, idr)
    assert torch.allclose(both[1:], network.restore(lr[1:], idr[1:]), atol=1e-6)
    assert not torch.allclose(both[1:], network.restore(lr[1:], idr[:1]), atol=1e-4)


def test_an_untrained_encoder_tells_images_apart():
    """With PyTorch's own start they differ by less than a hundredth, and training goes past the encoder."""
    torch.manual_seed(0)
    network = KDSRNet(4, channels=32, encoder_blocks=3, restorer_blocks=1)
    idr = network.embed(torch.rand(8, 3, 16, 16) * torch.linspace(0.1, 1, 8).view(-1, 1, 1, 1))
    assert (idr.std(dim=0).norm() / idr.mean(dim=0).norm()).item() > 0.1


def test_the_released_start_is_pytorchs():
    torch.manual_seed(0)
    network = KDSRNet(4, channels=32, encoder_blocks=3, restorer_blocks=1, initialization="pytorch")
    dynamic = network.restorer.blocks[0].dynamic.to_kernels
    for layer in (network.encoder.features[0], network.encoder.mlp[2], dynamic[0], dynamic[2]):
        bound = layer.weight[0].numel() ** -0.5  # its weights and biases are uniform within it
        assert 0.97 * bound < layer.weight.abs().max().item() <= bound
    assert network.encoder.features[0].bias.abs().max() > 0
    with pytest.raises(ValueError, match="initialization must be kaiming or pytorch, got 'xavier'"):
        KDSRNet(4, channels=4, encoder_blocks=1, restorer_blocks=1, initialization="xavier")


def test_teacher_without_hr_is_refused():
    teacher = KDSRNet(2, channels=4, encoder_blocks=1, restorer_blocks=1, sees_hr=True)
    with pytest.raises(ValueError, match="LR and HR together"):
        teacher(torch.rand(1, 3, 6, 5))


def test_unsupported_scale_is_named():
    with pytest.raises(ValueError, match="got 5"):
        KDSRNet(5, channels=4, encoder_blocks=1, restorer_blocks=1)


def test_a_teacher_of_the_difference_reads_nothing_but_lr_where_bicubic_is_right():
    torch.manual_seed(0)
    teacher = KDSRNet(2, channels=4, encoder_blocks=1, restorer_blocks=1, sees_hr=True, teacher_input="difference")
    lr = torch.rand(2, 3, 6, 5)
    bicubic = resize(lr, scale=2)
    blank = torch.cat([lr, torch.zeros(2, 12, 6, 5)], dim=1)
    assert torch.allclose(teacher.encode(lr, bicubic)[1], teacher.encoder(blank)[1], atol=1e-5)
    assert not torch.allclose(teacher.encode(lr, bicubic + 0.1)[1], teacher.encoder(blank)[1], atol=1e-3)
    with pytest.raises(ValueError, match="plain or difference, got 'both'"):
        KDSRNet(2, 4, 1, 1, sees_hr=True, teacher_input="both")


def test_zero_dc_start_does_not_see_a_flat_photo():
    torch.manual_seed(0)
    network = KDSRNet(2, channels=4, encoder_blocks=1, restorer_blocks=1, zero_dc_start=True)
    first = network.encoder.features[0]
    assert first.weight.sum(dim=(2, 3)).abs().max() < 1e-6
    assert first(torch.full((1, 3, 5, 5), 0.7))[..., 1:-1, 1:-1].abs().max() < 1e-6  # the border is padded with black
