"""The published PAMR, transcribed plainly: all shifted copies at once.

The copies are made by convolution, as published; ``by_slices`` makes them
faster than that, for whoever asks how much of a gain is owed to it.

Araslanov and Roth, "Single-Stage Semantic Segmentation from Image Labels",
CVPR 2020.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import conv2d, pad, softmax

if TYPE_CHECKING:
    from collections.abc import Sequence


def neighbor_kernel(*, with_center: bool) -> torch.Tensor:
    """Return 3 x 3 kernels, (8 or 9, 1, 3, 3), that pick one pixel each."""
    kernels = torch.eye(9).reshape(9, 1, 3, 3)
    if with_center:
        return kernels
    return torch.cat([kernels[:4], kernels[5:]])


def shifted_copies(
    maps: torch.Tensor,
    dilations: Sequence[int],
    *,
    with_center: bool = False,
    by_slices: bool = False,
) -> torch.Tensor:
    """Return every map's copies from its neighbors, edges repeated.

    Parameters
    ----------
    maps : (C, H, W) Tensor
    dilations : sequence of int
        Distances of the 8 neighbors in pixels.
    with_center : bool
        Whether the pixel itself is copied too, once for each dilation.
    by_slices : bool
        Cut the copies out as slices, which is faster, instead of by the
        published convolution with kernels that hold a single one.

    Returns
    -------
    (C, 8 or 9 * len(dilations), H, W) Tensor
    """
    count, height, width = maps.shape
    if not by_slices:
        kernel = neighbor_kernel(with_center=with_center)
        parts = [
            conv2d(
                pad(maps[:, None], (dilation,) * 4, mode='replicate'),
                kernel,
                dilation=dilation,
            )
            for dilation in dilations
        ]
        return torch.cat(parts, dim=1)
    offsets = [
        (dilation, dy, dx)
        for dilation in dilations
        for dy in (0, dilation, 2 * dilation)
        for dx in (0, dilation, 2 * dilation)
        if with_center or (dy, dx) != (dilation, dilation)
    ]
    padded = {
        dilation: pad(maps[None], (dilation,) * 4, mode='replicate')[0]
        for dilation in dilations
    }
    copies = maps.new_empty(count, len(offsets), height, width)
    for index, (dilation, dy, dx) in enumerate(offsets):
        copies[:, index] = padded[dilation][
            :, dy : dy + height, dx : dx + width
        ]
    return copies


@torch.inference_mode()
def affinities(
    guide: torch.Tensor,
    dilations: Sequence[int],
    *,
    by_slices: bool = False,
) -> torch.Tensor:
    """Return the weights (P, H, W) of each pixel's P neighbors."""
    copies = functools.partial(
        shifted_copies, guide, dilations, by_slices=by_slices
    )
    spread = copies(with_center=True).std(dim=1, keepdim=True)
    differences = (copies() - guide[:, None]).abs()
    logits = -differences / (1e-8 + 0.1 * spread)
    return softmax(logits.mean(dim=0), dim=0)


@torch.inference_mode()
def refine(
    maps: torch.Tensor,
    guide: torch.Tensor,
    *,
    steps: int,
    dilations: Sequence[int],
    by_slices: bool = False,
) -> torch.Tensor:
    """Return maps (C, H, W) after PAMR, guided by a picture (3, H, W)."""
    weights = affinities(guide, dilations, by_slices=by_slices)
    for _ in range(steps):
        copies = shifted_copies(maps, dilations, by_slices=by_slices)
        maps = (copies * weights).sum(dim=1)
    return maps
