"""DRTL's relation by gradients: would a step that helps an auxiliary task help the camera's pairs as well?

Legend: K auxiliary tasks, P trained parameters.
"""

import sys
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor, nn

from realsr_mod.data.batch import SRBatch
from realsr_mod.data.datamodule import SRDataModule
from realsr_mod.data.patches import RawBatch
from realsr_mod.methods.drtl.bank import AuxiliaryBank

Loss = Callable[[Tensor, Tensor], Tensor]  # restored and true images to a scalar
TASK_ROWS, SUPPORT_ROWS = 64, 128  # patches from which the gradient of each task, and of the pairs, is taken


def mean_gradient(network: nn.Module, batches: Iterable[SRBatch], loss: Loss) -> Tensor:
    """The gradient of the mean loss over batches of one size, every trained parameter's in one vector: (P,)."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    total, count = torch.zeros(sum(parameter.numel() for parameter in trained), device=trained[0].device), 0
    for batch in batches:
        value = loss(network(batch.lr).float(), batch.hr)
        gradients = torch.autograd.grad(value, trained, materialize_grads=True)
        total += torch.cat([gradient.reshape(-1) for gradient in gradients])  # whatever the memory format
        count += 1
    return total / count


def agreement(tasks_KP: Tensor, support_P: Tensor) -> Tensor:
    """How much of the support's gradient g each task's gradient g_k explains: 1 - |g - g_k|^2 / |g|^2, (K,).

    That is |g_k| / |g| times (2 cos(g, g_k) - |g_k| / |g|): at most 1; 0 for a task that says nothing; below 0 for one
    that leads elsewhere, or too far, which a cosine alone would not tell.
    """
    tasks_KP, support_P = scaled(tasks_KP, support_P)
    return 1 - (tasks_KP - support_P).square().sum(1) / support_P.square().sum()


def scaled(tasks_KP: Tensor, support_P: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients as Adam would scale them: without it a few parameters (biases, the last layer) decide alone.

    Every parameter is divided by the root mean square of its gradient over the tasks, each of which counts the same.
    """
    scale_P = F.normalize(tasks_KP, dim=1).square().mean(0).sqrt()
    scale_P = torch.where(scale_P > 0, scale_P, 1.0)
    return tasks_KP / scale_P, support_P / scale_P


def task_gradients(
    network: nn.Module, data: SRDataModule, bank: AuxiliaryBank, support: SRDataModule, loss: Loss
) -> tuple[Tensor, Tensor]:
    """The gradient of each auxiliary task (K, P), and that of the camera's pairs (P,), at the network's weights.

    Args:
        network: trained already, since the gradients of random weights say nothing.
        data: photos for the tasks, the same ones for each, degraded by `bank`.
        bank: the auxiliary tasks.
        support: the camera's pairs, of which the training part is looked at.
        loss: what training minimizes.
    """
    device = next(network.parameters()).device
    photos, pairs = _on(device, data, TASK_ROWS), _on(device, support, SUPPORT_ROWS)
    before, gradients = bank.probabilities, []
    for task in track(range(len(bank.names)), "relation", transient=True, disable=not sys.stdout.isatty()):
        bank.draw_by([float(task == other) for other in range(len(bank.names))])
        batches = (data.on_after_batch_transfer(raw) for raw in photos)
        gradients.append(mean_gradient(network, batches, loss))
    bank.draw_by(before)
    batches = (support.on_after_batch_transfer(raw) for raw in pairs)
    return torch.stack(gradients), mean_gradient(network, batches, loss)


def _on(device: torch.device, data: SRDataModule, rows: int) -> list[RawBatch]:
    """The first batches of a training, at least so many rows, on the device."""
    raw = data.first_batches(-(-rows // data.batch_size))
    return [b._replace(hr=b.hr.to(device), lr=None if b.lr is None else b.lr.to(device)) for b in raw]
