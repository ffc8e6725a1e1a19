"""KDSR's distillation loss."""

import torch.nn.functional as F
from torch import Tensor, nn


class DistillationLoss(nn.Module):
    """KL divergence between softened student and teacher representations (KDSR, eq. 4).

    `KL(softmax(teacher / temperature) || softmax(student / temperature))`, averaged over the batch, in float32.
    """

    def __init__(self, temperature: float = 0.15) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        self.temperature = temperature

    def forward(self, student_BD: Tensor, teacher_BD: Tensor) -> Tensor:
        student = F.log_softmax(student_BD.float() / self.temperature, dim=1)
        teacher = F.log_softmax(teacher_BD.float() / self.temperature, dim=1)
        return F.kl_div(student, teacher, reduction="batchmean", log_target=True)
