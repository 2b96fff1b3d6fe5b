"""By how much the label of a region leads, judged by its mean token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_naclip.engine.decide import class_queries
from napari_naclip.engine.types import margin_from_threshold

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

    from napari_naclip.engine.types import ClassList, Settings


@dataclass(frozen=True, slots=True, eq=False)
class Leads:
    """Leads of labels over the best other class.

    Attributes
    ----------
    margins : (N,) float64 array
        Differences of cosines.
    rivals : (N,) int64 array
        Label value of the best other class; the label where there is none.
    """

    margins: npt.NDArray[np.float64]
    rivals: npt.NDArray[np.int64]


def find_leads(
    tokens: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    classes: ClassList,
    queries: torch.Tensor,
    settings: Settings,
) -> Leads:
    """Return by how much labels lead.

    A label that no class has any more leads by nothing over the best class.
    Where there is a threshold, a class below it has the background as its
    rival, and a background below it leads by what the best class lacks.

    Parameters
    ----------
    tokens : (N, D) float32 array
        Mean tokens.
    labels : (N,) int64 array
        Label values.
    classes : ClassList
    queries : (Q, D) float32 Tensor
        Unit embeddings of the queries of `classes`.
    settings : Settings
    """
    if not len(labels) or not len(queries):
        return Leads(np.zeros(len(labels)), labels.copy())
    cosines = tokens @ queries.numpy().T
    scores = np.stack(
        [
            cosines[:, each.start : each.stop].max(axis=1)
            for each in class_queries(classes)
        ],
        axis=1,
    )
    values = np.array([row.value for row in classes.competitors])
    is_own = values == labels[:, None]
    others = np.where(is_own, -np.inf, scores)
    best = others.argmax(axis=1)
    other = others.max(axis=1)
    own = np.where(is_own, scores, -np.inf).max(axis=1)
    has_both = np.isfinite(own) & np.isfinite(other)
    margins = np.zeros(len(labels))
    margins[has_both] = own[has_both] - other[has_both]
    rivals = np.where(np.isfinite(other), values[best], labels)
    if settings.threshold > 0:
        _compare_with_threshold(
            margins, rivals, labels, cosines, ~is_own.any(axis=1), settings
        )
    return Leads(margins, rivals.astype(np.int64))


def _compare_with_threshold(
    margins: npt.NDArray[np.float64],
    rivals: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    cosines: npt.NDArray[np.float32],
    is_unknown: npt.NDArray[np.bool_],
    settings: Settings,
) -> None:
    """Let the background below the threshold be one more rival."""
    scale, count = settings.logit_scale, cosines.shape[1]
    tops = cosines.max(axis=1, keepdims=True)
    best = 1 / np.exp(scale * (cosines - tops)).sum(axis=1)
    needed = margin_from_threshold(settings.threshold, count, scale)
    excess = np.array(
        [
            margin_from_threshold(each, count, scale) - needed
            for each in best.tolist()
        ]
    )
    below = is_unknown & (labels == 0)
    margins[below] = -excess[below]
    closer = (labels != 0) & ~is_unknown & (excess < margins)
    margins[closer] = excess[closer]
    rivals[closer] = 0
