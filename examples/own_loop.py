"""A loop of one's own in plain PyTorch: our batches, our network, nothing else. python examples/own_loop.py"""

import torch
from torch import nn

from realsr_mod import ClassicDegradation, KDSRNet
from realsr_mod.data.datamodule import EmbeddedDataModule


def main(steps: int = 50, device: str = "cpu") -> list[float]:
    data = EmbeddedDataModule(scale=4, degradation=ClassicDegradation(4), hr_crop_px=64, batch_size=8)
    network = KDSRNet(scale=4, channels=16, encoder_blocks=1, restorer_blocks=2).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for batch in data.batches(steps, device):  # degraded on the device, the same batches in every run
        loss = nn.functional.l1_loss(network(batch.lr), batch.hr)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"L1 of the first and the last five steps: {sum(losses[:5]) / 5:.4f}, {sum(losses[-5:]) / 5:.4f}")
    return losses


if __name__ == "__main__":
    main()
