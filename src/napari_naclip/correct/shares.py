"""Which classes a region may be, judged by its mean token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_naclip.engine.decide import class_queries

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

    from napari_naclip.engine.types import ClassList


def class_shares(
    tokens: npt.NDArray[np.float32],
    queries: torch.Tensor,
    classes: ClassList,
    logit_scale: float,
) -> npt.NDArray[np.float32]:
    """Return the probability of each class, (N, C).

    The best query of a class counts, and the probabilities of all classes
    add up to 1 (the same as for pixels, without a threshold).

    Parameters
    ----------
    tokens : (N, D) float32 array
        Mean tokens of regions.
    queries : (Q, D) float32 Tensor
        Unit embeddings of the queries of `classes`.
    classes : ClassList
        Of whose C competing rows the columns are.
    logit_scale : float
        Factor on the cosines before the softmax.
    """
    cosines = tokens @ queries.numpy().T
    best = np.stack(
        [
            cosines[:, each.start : each.stop].max(axis=1)
            for each in class_queries(classes)
        ],
        axis=1,
    )
    odds = np.exp(logit_scale * (best - best.max(axis=1, keepdims=True)))
    shares: npt.NDArray[np.float32] = odds / odds.sum(axis=1, keepdims=True)
    return shares
