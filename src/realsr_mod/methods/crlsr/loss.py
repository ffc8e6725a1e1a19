"""Contrast between places: features of one place belong together, those of other places or kinds apart.

All losses read feature vectors at M places of B images and compare by cosine similarity, in float32 whatever the
precision of the training.
Legend: B batch, M places of an image, P length of a feature vector, N vectors to be told apart from.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def cosines(x_BMP: Tensor, y_BNP: Tensor) -> Tensor:
    """Cosine similarity of every pair within each image: (B, M, N), float32."""
    with torch.autocast(x_BMP.device.type, enabled=False):
        return F.normalize(x_BMP.float(), dim=-1) @ F.normalize(y_BNP.float(), dim=-1).mT


def info_nce(positive_BM: Tensor, negative_BMN: Tensor, temperature: float) -> Tensor:
    """Mean of −log( e^(p/τ) / (e^(p/τ) + Σ_n e^(n/τ)) ) over similarities p to the positive and n to the negatives."""
    logits = torch.cat([positive_BM[..., None], negative_BMN], dim=-1) / temperature
    return (logits.logsumexp(dim=-1) - logits[..., 0]).mean()


def bidirectional_contrast(
    low_BMP: Tensor, high_BMP: Tensor, temperature: float, near_BMM: Tensor | None = None
) -> Tensor:
    """CRL-SR's L_bc: features of the LR and of the HR image agree where they are of one place (arXiv 2107.00708).

    −1/M Σ_i ½ [log e^(s(l_i, h_i)/τ) / Σ_j e^(s(l_i, h_j)/τ) + the same with l and h exchanged], mean over images. With
    `near_BMM` (bool, symmetric), place i is told apart from the places j alone where it is true.
    """
    similarity_BMM = cosines(low_BMP, high_BMP)
    own_BM = similarity_BMM.diagonal(dim1=1, dim2=2)
    if near_BMM is not None:
        similarity_BMM = similarity_BMM.masked_fill(~near_BMM, -torch.inf)
    low_to_high = info_nce(own_BM, _others(similarity_BMM), temperature)
    high_to_low = info_nce(own_BM, _others(similarity_BMM.mT), temperature)
    return (low_to_high + high_to_low) / 2


def conditional_contrast(restored_BMP: Tensor, true_BMP: Tensor, condition_BNP: Tensor, temperature: float) -> Tensor:
    """CRL-SR's L_cc: features of SR come near those of HR and away from those that all resolutions share.

    −1/M Σ_i log( e^(s(z_i, t_i)/τ) / (e^(s(z_i, t_i)/τ) + Σ_j e^(s(z_i, c_j)/τ)) ), mean over images.
    """
    own_BM = F.cosine_similarity(restored_BMP.float(), true_BMP.float(), dim=-1)
    return info_nce(own_BM, cosines(restored_BMP, condition_BNP), temperature)


def degraded_contrast(restored_BMP: Tensor, true_BMP: Tensor, degraded_BMNP: Tensor, temperature: float) -> Tensor:
    """As `conditional_contrast`, away from the same place as N degradations show it: SR's features come near HR's and
    leave those of the enlarged LR, as restoring does (after arXiv 2104.09367, there with a fixed network's features).
    """
    own_BM = F.cosine_similarity(restored_BMP.float(), true_BMP.float(), dim=-1)
    return info_nce(
        own_BM, F.cosine_similarity(restored_BMP.float()[:, :, None], degraded_BMNP.float(), dim=-1), temperature
    )


def alignment(x_BMP: Tensor, y_BMP: Tensor) -> Tensor:
    """Mean squared distance of two unit vectors of one place: 0 where they agree, 2 at random (arXiv 2005.10242)."""
    return (2 - 2 * F.cosine_similarity(x_BMP.float(), y_BMP.float(), dim=-1)).mean()


def uniformity(x_BMP: Tensor) -> Tensor:
    """log mean e^(−2 d²) over unit vectors of different places: 0 where all are equal, which is collapse; −4 at random.

    d is the distance of two places of one image (arXiv 2005.10242).
    """
    return (4 * _others(cosines(x_BMP, x_BMP)) - 4).exp().mean().log()


def near_places(places_BM: Tensor, width: int, radius: int) -> Tensor:
    """Which two places are at most `radius` rows and columns apart on a grid of `width` columns: (B, M, M), bool."""
    row_BM, column_BM = places_BM // width, places_BM % width
    gaps = ((at_BM[:, :, None] - at_BM[:, None]).abs() <= radius for at_BM in (row_BM, column_BM))
    return torch.logical_and(*gaps)


def without_local_mean(features_BCHW: Tensor, side: int) -> Tensor:
    """Features less their mean over the `side` x `side` places around each, fewer at the border: what is special there.

    The mean of a region survives blur and noise, so features that hold it tell places apart by color alone.
    """
    mean_BCHW = F.avg_pool2d(features_BCHW, side, stride=1, padding=side // 2, count_include_pad=False)
    return features_BCHW - mean_BCHW


def _others(pairs_BMM: Tensor) -> Tensor:
    """The entries off the diagonal, (B, M, M-1): each place with every other one."""
    batch, places, _ = pairs_BMM.shape
    # Without its last element, a row-major square is M-1 rows of a diagonal element and M others.
    flat = pairs_BMM.reshape(batch, -1)[:, 1:].reshape(batch, places - 1, places + 1)
    return flat[..., :-1].reshape(batch, places, places - 1)
