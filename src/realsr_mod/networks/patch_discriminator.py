"""A discriminator of patches (pix2pix, arXiv 1611.07004), without normalization of layers or weights.

Legend: B batch, H height, W width.
"""

from torch import Tensor, nn
from torch.nn.functional import leaky_relu

SLOPE = 0.2


class PatchDiscriminator(nn.Module):
    """Tell real images from restored ones, by patches of 32 px: (B, 3, H, W) to logits (B, 1, H // 4, W // 4).

    Nothing bounds how fast its logits change, so it learns fast, as short trainings need, and can learn too fast: then
    `logit_real` and `logit_fake` in the log run apart, and a lower `adversarial.optimizer.lr` or `weight` helps.

    Args:
        channels: width at full resolution; it doubles with each of the two halvings.
    """

    def __init__(self, channels: int = 24) -> None:
        super().__init__()
        c = channels
        widths = ((3, c, 3, 1), (c, c, 4, 2), (c, 2 * c, 3, 1), (2 * c, 2 * c, 4, 2), (2 * c, 4 * c, 3, 1))
        self.layers = nn.ModuleList([nn.Conv2d(*width, padding=1) for width in widths])
        self.to_logits = nn.Conv2d(4 * c, 1, 3, padding=1)
        for layer in (*self.layers, self.to_logits):
            nn.init.kaiming_normal_(layer.weight, SLOPE)
            nn.init.zeros_(layer.bias)

    def forward(self, x_B3HW: Tensor) -> Tensor:
        return self.with_features(x_B3HW)[0]

    def with_features(self, x_B3HW: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits, and what every layer makes of the images, from the first to the last."""
        x, features = x_B3HW, []
        for layer in self.layers:
            x = leaky_relu(layer(x), SLOPE)
            features.append(x)
        logits_B1hw: Tensor = self.to_logits(x)
        return logits_B1hw, features
