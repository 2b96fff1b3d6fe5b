"""Linear resampling as matrices: one for the rows, one for the columns.

Bilinear resizing, the upsampling of a window's token grid and the mean over
overlapping windows are all linear and separable, so that any chain of them is
one product from the left and one from the right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


def bilinear_matrix(source: int, target: int) -> npt.NDArray[np.float64]:
    """Return the (target, source) matrix of bilinear resizing.

    Equal to torch's ``interpolate(mode='bilinear', align_corners=False)``
    without antialiasing: pixel centers are at half-integers, and beyond the
    outer centers the edge value is kept.
    """
    positions = (np.arange(target) + 0.5) * (source / target) - 0.5
    positions = np.clip(positions, 0, source - 1)
    lower = np.floor(positions).astype(np.intp)
    upper = np.minimum(lower + 1, source - 1)
    fraction = positions - lower
    matrix = np.zeros((target, source))
    rows = np.arange(target)
    np.add.at(matrix, (rows, lower), 1 - fraction)
    np.add.at(matrix, (rows, upper), fraction)
    return matrix


def window_matrix(
    starts: Sequence[int], window: int, grid: int, length: int
) -> npt.NDArray[np.float64]:
    """Return the matrix from the windows' tokens to pixels along one axis.

    Parameters
    ----------
    starts : sequence of int
        First pixel of each window.
    window : int
        Length of every window in pixels.
    grid : int
        Tokens of every window along this axis; stretched over the window.
    length : int
        Length of the image in pixels; the windows cover all of it.

    Returns
    -------
    (length, len(starts) * grid) float64 array
        Each row is the mean over the windows that cover the pixel; it sums
        to 1.
    """
    upsampling = bilinear_matrix(grid, window)
    matrix = np.zeros((length, len(starts) * grid))
    covering = np.zeros(length)
    for index, start in enumerate(starts):
        columns = slice(index * grid, (index + 1) * grid)
        matrix[start : start + window, columns] += upsampling
        covering[start : start + window] += 1
    return matrix / covering[:, None]
