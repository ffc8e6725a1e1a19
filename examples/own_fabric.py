"""A loop of one's own on Lightning Fabric: devices, precision and processes are its business.

python examples/own_fabric.py
"""

import torch
from lightning_fabric import Fabric
from torch import nn

from realsr_mod import KDSRNet, SecondOrder
from realsr_mod.data.datamodule import EmbeddedDataModule


def main(steps: int = 20, devices: int = 1, accelerator: str = "auto") -> float:
    fabric = Fabric(accelerator=accelerator, devices=devices)
    fabric.launch()
    data = EmbeddedDataModule(scale=4, degradation=SecondOrder(4), hr_crop_px=64, batch_size=4)
    network = KDSRNet(scale=4, channels=16, encoder_blocks=1, restorer_blocks=2)
    network, optimizer = fabric.setup(network, torch.optim.Adam(network.parameters(), lr=1e-3))
    loss = torch.zeros(())
    for batch in data.batches(steps, fabric.device, rank=fabric.global_rank, world_size=fabric.world_size):
        loss = nn.functional.l1_loss(network(batch.lr), batch.hr)  # each process has photos of its own
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
    fabric.print(f"L1 of the last step: {loss.item():.4f}")
    return loss.item()


if __name__ == "__main__":
    main()
