"""One of several pipelines for each image: what a network should meet both severely degraded and hardly at all.

Legend: B batch, C channels, H and W the HR size.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from realsr_mod.degradations.base import Degradation, Params, Shape, check_probabilities, choose, rows
from realsr_mod.degradations.canvas import can_look, per_row


class Either(Degradation):
    """Degrades each image by one pipeline, drawn by chance.

    Params: `which` (B,), the number of the pipeline, and under each pipeline's name what it drew, for all rows.

    Args:
        scale: HR size over LR size, of all of them.
        probabilities: chance of each pipeline, by name; sum 1.
        pipelines: the pipelines, by name. None may sharpen or make several versions: the truth is one for all.
    """

    def __init__(self, scale: int, probabilities: Mapping[str, float], **pipelines: Degradation) -> None:
        super().__init__(scale)
        if probabilities.keys() != pipelines.keys():
            raise ValueError(
                f"each pipeline needs a probability and each probability a pipeline, got {sorted(probabilities)} and "
                f"{sorted(pipelines)}"
            )
        for name, pipeline in pipelines.items():
            if pipeline.scale != scale or pipeline.sharpen or pipeline.versions:
                raise ValueError(
                    f"{name} must be of scale {scale}, without sharpening and with one version of each image; got "
                    f"scale {pipeline.scale}, sharpen={pipeline.sharpen}, versions {list(pipeline.versions)}"
                )
        self.names = list(pipelines)
        self.probabilities = check_probabilities("probabilities", [probabilities[name] for name in self.names])
        self.pipelines = nn.ModuleDict(pipelines)

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        which_B = choose(shape_BCHW[0], self.probabilities, generator)
        drawn = {name: self._pipeline(name).sample(shape_BCHW, generator) for name in self.names}
        return {"which": which_B} | drawn

    def forward(self, hr_BCHW: Tensor, params: Params) -> Tensor:
        lr_BChw = hr_BCHW.new_zeros(self.output_shape((*hr_BCHW.shape,)))
        for number, name in enumerate(self.names):
            chosen_B = params["which"] == number
            if can_look(hr_BCHW):  # a CPU spares itself the others; a GPU would have to wait for their number
                index = chosen_B.nonzero()[:, 0]
                if len(index):
                    lr_BChw[index] = self._pipeline(name)(hr_BCHW[index], rows(params[name], index))
            else:
                lr_BChw = torch.where(per_row(chosen_B), self._pipeline(name)(hr_BCHW, params[name]), lr_BChw)
        return lr_BChw

    def _pipeline(self, name: str) -> Degradation:
        pipeline = self.pipelines[name]
        assert isinstance(pipeline, Degradation), "they were given above"
        return pipeline
