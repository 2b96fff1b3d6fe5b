"""From unit tokens and query embeddings to labels.

Everything here is linear in the tokens up to the softmax: the cosines, the
upsampling, the mean over windows, the resize to the image and PAMR. It runs
on the CPU, band by band over the rows of the image.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_naclip.engine import refine
from napari_naclip.engine.resample import bilinear_matrix, window_matrix

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy.typing as npt

    from napari_naclip.engine.types import ClassList
    from napari_naclip.engine.windows import WindowPlan

#: Bytes that the maps of one band may take.
BAND_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Features:
    """What the image tower saw: all that classes are later compared with.

    Attributes
    ----------
    tokens : (N, rows, columns, D) float32 Tensor
        Unit tokens of each window, in the order of ``plan.corners``.
    plan : WindowPlan
        Where the windows lie in the resized picture.
    size : (int, int)
        Rows and columns of the image itself.
    guide : (3, plan.height, plan.width) float32 Tensor
        The normalized, resized picture, which PAMR follows.
    """

    tokens: torch.Tensor = field(repr=False)
    plan: WindowPlan
    size: tuple[int, int]
    guide: torch.Tensor = field(repr=False)


@dataclass(frozen=True, slots=True)
class Decision:
    """Labels, confidence and probabilities of a band of rows.

    Attributes
    ----------
    labels : (rows, W) uint8 or uint16 array
    confidence : (rows, W) float32 array
        Probability of the best class.
    probabilities : (K, rows, W) float32 Tensor
        Of the competing rows of the class list, in order; they sum to 1.
    """

    labels: npt.NDArray[np.unsignedinteger]
    confidence: npt.NDArray[np.float32]
    probabilities: torch.Tensor


def token_scores(features: Features, queries: torch.Tensor) -> torch.Tensor:
    """Return the cosines of all tokens with all queries, laid out in space.

    Parameters
    ----------
    queries : (Q, D) float32 Tensor
        Unit query embeddings.

    Returns
    -------
    (Q, len(tops) * rows, len(lefts) * columns) float32 Tensor
        The token grids of the lattice of windows, side by side.
    """
    plan = features.plan
    _, rows, columns, _ = features.tokens.shape
    scores = (features.tokens @ queries.T).reshape(
        len(plan.tops), len(plan.lefts), rows, columns, len(queries)
    )
    return scores.permute(4, 0, 2, 1, 3).reshape(
        len(queries), len(plan.tops) * rows, len(plan.lefts) * columns
    )


class Projection:
    """The linear map from token scores to maps at the image's size.

    It upsamples every window's scores to its pixels, averages overlapping
    windows, and resizes to the image: a matrix for the rows and one for the
    columns.
    """

    def __init__(self, features: Features) -> None:
        plan = features.plan
        _, rows, columns, _ = features.tokens.shape
        height, width = features.size
        vertical = window_matrix(
            plan.tops, plan.window_height, rows, plan.height
        )
        horizontal = window_matrix(
            plan.lefts, plan.window_width, columns, plan.width
        )
        self._guide = features.guide
        self._guide_rows = _resize_matrix(plan.height, height)
        self._guide_columns = _resize_matrix(plan.width, width)
        if self._guide_rows is not None:
            vertical = self._guide_rows @ vertical
        if self._guide_columns is not None:
            horizontal = self._guide_columns @ horizontal
        self._vertical = torch.from_numpy(vertical).float()
        self._horizontal = torch.from_numpy(horizontal).float().T

    def maps(self, scores: torch.Tensor, band: slice) -> torch.Tensor:
        """Return the (Q, rows of the band, W) maps of token scores."""
        return self._vertical[band] @ scores @ self._horizontal

    def guide(self, band: slice) -> torch.Tensor:
        """Return the (3, rows of the band, W) picture at the image's size."""
        picture = self._guide
        if self._guide_rows is None:
            picture = picture[:, band]
        else:
            rows = torch.from_numpy(self._guide_rows[band]).float()
            picture = rows @ picture
        if self._guide_columns is not None:
            columns = torch.from_numpy(self._guide_columns).float()
            picture = picture @ columns.T
        return picture


def _resize_matrix(source: int, target: int) -> npt.NDArray[np.float64] | None:
    return None if source == target else bilinear_matrix(source, target)


def decide(
    cosines: torch.Tensor,
    classes: ClassList,
    *,
    logit_scale: float,
    threshold: float,
) -> Decision:
    """Return the labels of maps of cosines.

    Softmax over all queries, the best query of each class, the best class,
    background where that is below the threshold, and only then the
    probabilities divided by their sum (the published order).

    Parameters
    ----------
    cosines : (Q, rows, W) float32 Tensor
        Of all queries of the class list, in order. Overwritten.
    """
    probabilities = cosines.mul_(logit_scale).softmax(dim=0)
    competitors = classes.competitors
    if len(competitors) < len(probabilities):
        owners = classes.query_owners
        starts = np.searchsorted(owners, np.arange(len(competitors) + 1))
        probabilities = torch.stack(
            [
                probabilities[start:stop].amax(dim=0)
                for start, stop in itertools.pairwise(starts)
            ]
        )
    best, index = probabilities.max(dim=0)
    values = np.array(
        [row.value for row in competitors], dtype=classes.label_dtype
    )
    labels = values[index.numpy()]
    if threshold > 0:
        labels[(best < threshold).numpy()] = 0
    total = probabilities.sum(dim=0)
    return Decision(
        labels=labels,
        confidence=(best / total).numpy(),
        probabilities=probabilities / total,
    )


def band_height(
    features: Features, queries: int, steps: int, dilations: tuple[int, ...]
) -> int:
    """Return how many rows to decide at once within ``BAND_BYTES``."""
    # Maps and their successor, softmax; and PAMR's weights and columns.
    per_pixel = 4 * (3 * queries + 2 * 8 * len(dilations))
    rows = BAND_BYTES // (per_pixel * features.size[1])
    rows -= 2 * refine.halo(steps, dilations)
    return max(32, rows)


def refined_band(
    projection: Projection,
    scores: torch.Tensor,
    rows: slice,
    height: int,
    *,
    steps: int,
    dilations: tuple[int, ...],
) -> Generator[int, None, torch.Tensor]:
    """Yield each finished step of PAMR; return the band's (Q, rows, W) maps.

    The band is refined with as many rows around it as can reach it, so that
    it equals the same rows of the whole image.
    """
    margin = refine.halo(steps, dilations)
    top = max(rows.start - margin, 0)
    bottom = min(rows.stop + margin, height)
    outer = slice(top, bottom)
    matrix = refine.affinity_matrix(projection.guide(outer), dilations)
    maps = projection.maps(scores, outer)
    shape = maps.shape
    columns = maps.flatten(1).T.contiguous()
    del maps
    for step, refined in enumerate(
        refine.refine_maps(columns, matrix, steps), start=1
    ):
        columns = refined
        yield step
    inner = columns.T.reshape(shape)[:, rows.start - top : rows.stop - top]
    return inner.contiguous()
