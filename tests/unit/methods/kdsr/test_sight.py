import pytest
import torch

from realsr_mod.data.datamodule import EmbeddedDataModule
from realsr_mod.degradations.classic import ClassicDegradation
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.kdsr.sight import degradation_share, explained_share


def test_share_of_a_sum_of_both_effects_is_the_ratio_of_their_variances():
    photo, degradation = torch.tensor([-2.0, 2.0]), torch.tensor([-1.0, 0.0, 1.0])
    points = (photo[:, None] + degradation[None, :])[..., None]
    assert explained_share(points) == pytest.approx((2 / 3) / (4 + 2 / 3), abs=1e-6)
    assert explained_share(photo[:, None, None].expand(2, 3, 1)) == 0
    assert explained_share(torch.zeros(2, 3, 1)) == 0


def test_share_of_points_without_order_is_zero_on_average():
    shares = [explained_share(torch.randn(4, 5, 50, generator=torch.Generator().manual_seed(i))) for i in range(20)]
    assert sum(shares) / 20 < 0.02  # uncorrected: (K - 1) / (NK - 1) = 0.21
    with pytest.raises(ValueError, match="got 1 and 5"):
        explained_share(torch.randn(1, 5, 50))


def test_a_network_that_measures_blur_has_a_larger_share_than_one_that_averages_colors():
    class Measures(KDSRNet):
        def encode(self, lr, hr=None):
            slopes = lr.diff(dim=-1)
            sharpness = slopes.diff(dim=-1).square().mean(dim=(1, 2, 3)) / slopes.square().mean(dim=(1, 2, 3))
            return lr, sharpness[:, None] if self.sees_edges else lr.mean(dim=(2, 3))

    data = EmbeddedDataModule(ClassicDegradation(4), scale=4)
    data.setup()
    network, shares = Measures(4, 4, 1, 1), {}
    for network.sees_edges in (True, False):
        shares[network.sees_edges] = degradation_share(network, data.repeated_degradations(data.val_files))
    assert shares[True] > 0.5
    assert shares[False] < 0.01
