"""PAMR: maps that follow the edges of the picture.

Araslanov and Roth, "Single-Stage Semantic Segmentation from Image Labels",
CVPR 2020, section 3.3; the affinities and settings are those of NACLIP's
published code. Each step replaces every map by a weighted mean of its own
shifted copies. The weights depend on the picture alone, so that a step is one
product of a sparse matrix (pixels x pixels, 8 entries a row and dilation)
with the maps.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Keeps the affinity of a constant neighborhood finite, as published.
_EPSILON = 1e-8
#: Share of the neighborhood's standard deviation that differences are
#: measured in, as published.
_STD_SHARE = 0.1
#: Rows whose affinities are computed at once: they stay in the cache.
_AFFINITY_ROWS = 32


def halo(steps: int, dilations: tuple[int, ...]) -> int:
    """Return how many rows away a pixel can still change a refined one."""
    return steps * max(dilations, default=0)


def affinity_matrix(
    guide: torch.Tensor, dilations: tuple[int, ...]
) -> torch.Tensor:
    """Return the matrix of one refinement step.

    With s the standard deviation (unbiased) of a channel over a pixel's
    neighbors at all dilations, the pixel itself counted once a dilation, the
    affinity to a neighbor is the mean over channels of
    -|difference| / (1e-8 + 0.1 s); the softmax over the neighbors makes the
    weights. Beyond the border the edge is repeated.

    Parameters
    ----------
    guide : (3, H, W) float32 Tensor
        The normalized picture.
    dilations : tuple of int
        Distances of the 8 neighbors in pixels.

    Returns
    -------
    (H * W, H * W) sparse CSR float32 Tensor
        Rows sum to 1.
    """
    _, height, width = guide.shape
    offsets = sorted(
        (dy * dilation, dx * dilation)
        for dilation in dilations
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
        if (dy, dx) != (0, 0)
    )
    reach = max(dilations)
    padded = pad(guide[None], (reach,) * 4, mode='replicate')[0]
    weights = torch.empty(height, width, len(offsets))
    for top in range(0, height, _AFFINITY_ROWS):
        rows = min(_AFFINITY_ROWS, height - top)
        center = guide[:, top : top + rows]
        differences = [
            padded[
                :,
                top + reach + dy : top + reach + dy + rows,
                reach + dx : reach + dx + width,
            ]
            - center
            for dy, dx in offsets
        ]
        weights[top : top + rows] = _neighbor_weights(differences)

    ys, xs = torch.arange(height), torch.arange(width)
    columns = torch.empty(height, width, len(offsets), dtype=torch.int32)
    for index, (dy, dx) in enumerate(offsets):
        neighbor_rows = (ys + dy).clamp_(0, height - 1) * width
        neighbor_columns = (xs + dx).clamp_(0, width - 1)
        columns[:, :, index] = neighbor_rows[:, None] + neighbor_columns
    pixels = height * width
    row_starts = torch.arange(
        0, (pixels + 1) * len(offsets), len(offsets), dtype=torch.int32
    )
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Sparse CSR tensor support')
        return torch.sparse_csr_tensor(
            row_starts,
            columns.flatten(),
            weights.flatten(),
            size=(pixels, pixels),
            check_invariants=False,
        )


def _neighbor_weights(differences: list[torch.Tensor]) -> torch.Tensor:
    """Return (rows, W, P) weights from P differences of (3, rows, W)."""
    total = torch.zeros_like(differences[0])
    squares = torch.zeros_like(differences[0])
    for difference in differences:
        total += difference
        squares.addcmul_(difference, difference)
    # Of the differences to the center the center's own are zero: they enter
    # through the count alone (8 neighbors and 1 center a dilation).
    count = len(differences) // 8 * 9
    variance = (squares - total.square() / count) / (count - 1)
    spread = variance.clamp_(min=0).sqrt_().mul_(_STD_SHARE).add_(_EPSILON)
    logits = torch.stack(
        [
            -(difference.abs_() / spread).mean(dim=0)
            for difference in differences
        ],
        dim=-1,
    )
    return logits.softmax(dim=-1)


def refine_maps(
    maps: torch.Tensor, matrix: torch.Tensor, steps: int
) -> Iterator[torch.Tensor]:
    """Yield the maps after each step; each is overwritten two steps later.

    Parameters
    ----------
    maps : (H * W, Q) float32 Tensor
        One column a map. Overwritten.
    matrix : (H * W, H * W) sparse Tensor
        ``affinity_matrix``.
    steps : int
        How often it is applied.
    """
    spare = torch.zeros_like(maps)
    for _ in range(steps):
        # ``matrix @ maps`` fills and copies its result besides, which takes
        # longer than the product itself.
        torch.addmm(spare, matrix, maps, beta=0, out=spare)
        maps, spare = spare, maps
        yield maps
