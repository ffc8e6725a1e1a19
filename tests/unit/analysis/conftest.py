import numpy as np
import pytest
import torch

from realsr_mod.analysis.contents import Contents
from realsr_mod.analysis.grid import DegradationGrid, DegradedImages

CONDITIONS = [{}, {"blur": 2}, {"noise": 20}]


@pytest.fixture(scope="session")
def contents() -> Contents:
    """Six random contents, two from each of three photos."""
    hr = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return Contents(hr, [f"photo{i // 2} ({i % 2})" for i in range(6)], np.arange(6) // 2)


@pytest.fixture(scope="session")
def images(contents) -> DegradedImages:
    return DegradedImages.make(contents, DegradationGrid(CONDITIONS), scale=4)
