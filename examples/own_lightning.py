"""A LightningModule and a loader of one's own, degradations of ours. python examples/own_lightning.py"""

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from realsr_mod import KDSRNet, SecondOrder
from realsr_mod.data.photos import embedded_photos
from realsr_mod.images.rgb import read_rgb


class Photos(torch.utils.data.Dataset[Tensor]):
    """Somebody's photos: a square from the middle of each, (3, 128, 128) in [0, 1]."""

    def __init__(self) -> None:
        self.paths = embedded_photos()[0]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        photo = torch.from_numpy(read_rgb(self.paths[index]).copy()).permute(2, 0, 1).float() / 255
        top, left = (photo.shape[1] - 128) // 2, (photo.shape[2] - 128) // 2
        return photo[:, top : top + 128, left : left + 128]


class Blind(pl.LightningModule):
    """L1 under Real-ESRGAN's degradation, which is applied to the batch where it lies."""

    def __init__(self) -> None:
        super().__init__()
        self.degradation = SecondOrder(scale=4)
        self.network = KDSRNet(scale=4, channels=16, encoder_blocks=1, restorer_blocks=2)

    def training_step(self, hr: Tensor, batch_idx: int) -> Tensor:
        generator = torch.Generator(hr.device).manual_seed(self.global_step)
        with torch.no_grad():
            lr = self.degradation(hr, self.degradation.sample(hr.shape, generator))
        loss = nn.functional.l1_loss(self.network(lr), self.degradation.target(hr))
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.network.parameters(), lr=1e-3)


def main(steps: int = 20) -> Blind:
    module = Blind()
    trainer = pl.Trainer(max_steps=steps, accelerator="auto", devices=1, logger=False, enable_checkpointing=False)
    trainer.fit(module, DataLoader(Photos(), batch_size=2, shuffle=True))
    return module


if __name__ == "__main__":
    main()
