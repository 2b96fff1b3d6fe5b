"""Linear resampling along one axis, in blocks of its pixels.

Bilinear resizing, the upsampling of a window's token grid and the mean over
overlapping windows are all linear and separable, so that any chain of them is
one matrix for the rows and one for the columns. Each matrix is banded: a
block of pixels depends on few tokens, and only these are ever made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class Taps:
    """The two source pixels that each pixel of a resized axis is made of.

    Attributes
    ----------
    lower, upper : (n,) intp array
        Source pixels, none of them decreasing; equal where one is enough.
    fraction : (n,) float64 array
        Weight of `upper`, 0 to 1; `lower` has the rest.
    """

    lower: npt.NDArray[np.intp]
    upper: npt.NDArray[np.intp]
    fraction: npt.NDArray[np.float64]


def bilinear_taps(source: int, target: int, start: int, stop: int) -> Taps:
    """Return the taps of the pixels from `start` to `stop` of an axis.

    Equal to torch's ``interpolate(mode='bilinear', align_corners=False)``
    without antialiasing: pixel centers are at half-integers, and beyond the
    outer centers the edge value is kept.

    Parameters
    ----------
    source, target : int
        Length of the axis before and after, in pixels.
    """
    positions = (np.arange(start, stop) + 0.5) * (source / target) - 0.5
    positions = np.clip(positions, 0, source - 1)
    lower = np.floor(positions).astype(np.intp)
    fraction = positions - lower
    return Taps(lower, lower + (fraction > 0), fraction)


def bilinear_block(
    source: int, target: int, start: int, stop: int
) -> tuple[int, npt.NDArray[np.float64]]:
    """Return the matrix of bilinear resizing for a block of pixels.

    Returns
    -------
    first : int
        Source pixel of the first column.
    matrix : (stop - start, n) float64 array
        Rows sum to 1.
    """
    taps = bilinear_taps(source, target, start, stop)
    first = int(taps.lower[0])
    matrix = np.zeros((stop - start, int(taps.upper[-1]) - first + 1))
    rows = np.arange(stop - start)
    np.add.at(matrix, (rows, taps.lower - first), 1 - taps.fraction)
    np.add.at(matrix, (rows, taps.upper - first), taps.fraction)
    return first, matrix


def covering_windows(
    starts: Sequence[int], window: int, start: int, stop: int
) -> range:
    """Return which windows cover any of the pixels `start` to `stop`."""
    edges = np.asarray(starts)
    return range(
        int(np.searchsorted(edges + window, start, side='right')),
        int(np.searchsorted(edges, stop, side='left')),
    )


def window_block(
    starts: Sequence[int], window: int, grid: int, start: int, stop: int
) -> tuple[range, npt.NDArray[np.float64]]:
    """Return the matrix from the windows' tokens to a block of pixels.

    Parameters
    ----------
    starts : sequence of int
        First pixel of each window, increasing; together they cover the block.
    window : int
        Length of every window in pixels.
    grid : int
        Tokens of every window along this axis; stretched over the window.

    Returns
    -------
    windows : range
        Those that cover any pixel of the block.
    matrix : (stop - start, len(windows) * grid) float64 array
        Each row is the mean over the windows that cover the pixel; it sums
        to 1.
    """
    windows = covering_windows(starts, window, start, stop)
    matrix = np.zeros((stop - start, len(windows), grid))
    count = np.zeros(stop - start)
    for place, index in enumerate(windows):
        origin = starts[index]
        low, high = max(start, origin), min(stop, origin + window)
        first, block = bilinear_block(
            grid, window, low - origin, high - origin
        )
        pixels = slice(low - start, high - start)
        matrix[pixels, place, first : first + block.shape[1]] = block
        count[pixels] += 1
    return windows, matrix.reshape(stop - start, -1) / count[:, None]


def token_block(
    starts: Sequence[int],
    window: int,
    grid: int,
    lengths: tuple[int, int],
    start: int,
    stop: int,
) -> tuple[range, npt.NDArray[np.float64]]:
    """Return the matrix from tokens to pixels of the resized axis.

    Parameters
    ----------
    lengths : (int, int)
        Of the axis that the windows slide on, and of the image's own.
    start, stop : int
        Block of the image's pixels.

    Returns
    -------
    windows : range
    matrix : (stop - start, len(windows) * grid) float64 array
        Rows sum to 1.
    """
    first, resizing = bilinear_block(*lengths, start, stop)
    windows, mean = window_block(
        starts, window, grid, first, first + resizing.shape[1]
    )
    # Not ``@``: numpy's BLAS would wake threads for so small a product, and
    # they wait on every core for the next one, the window's own included.
    return windows, np.einsum('ij,jk->ik', resizing, mean)
