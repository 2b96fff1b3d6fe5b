"""Labels with smooth borders: each pixel takes what most around it have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import numpy.typing as npt

    Labels = npt.NDArray[np.unsignedinteger]

#: The largest radius, in pixels.
MOST_RADIUS: Final = 50
#: Rows and columns of a piece: most have one label only and cost nothing.
_SIDE: Final = 256


def smooth(
    labels: Labels,
    radius: int,
    *,
    values: Collection[int] | None = None,
    is_stopped: Callable[[], bool] = bool,
) -> Labels:
    """Return labels in which each pixel has what most around it have.

    The vote is among the pixels whose centers lie within a circle; those
    outside of the array do not vote. Of equals the pixel's own label wins,
    then the smallest.

    Parameters
    ----------
    labels : (H, W) uint8 or uint16 array
        Left as it is.
    radius : int
        Of the circle, in pixels, 0 to ``MOST_RADIUS``; 0: nothing is done.
    values : collection of int, optional
        A pixel changes only if it had one of these labels or gets one; by
        default every pixel may.
    is_stopped : callable, optional
        Asked from time to time; True ends it early, and what is returned
        then is unfinished.

    Returns
    -------
    (H, W) array
        Of the same dtype; the same array where nothing is to be done.

    Raises
    ------
    InputError
        If the radius is out of range.
    """
    if not 0 <= radius <= MOST_RADIUS:
        raise InputError(
            f'The radius of smoothing is {radius} px; it must be 0 to '
            f'{MOST_RADIUS}. Choose another.'
        )
    if not radius:
        return labels
    smoothed = labels.copy()
    height, width = labels.shape
    for top in range(0, height, _SIDE):
        for left in range(0, width, _SIDE):
            if is_stopped():
                return smoothed
            outer = (
                slice(max(0, top - radius), top + _SIDE + radius),
                slice(max(0, left - radius), left + _SIDE + radius),
            )
            inner = (
                slice(top - outer[0].start, top - outer[0].start + _SIDE),
                slice(left - outer[1].start, left - outer[1].start + _SIDE),
            )
            _vote(
                labels[outer],
                inner,
                radius,
                values,
                smoothed[top : top + _SIDE, left : left + _SIDE],
            )
    return smoothed


def _vote(
    labels: Labels,
    inner: tuple[slice, slice],
    radius: int,
    values: Collection[int] | None,
    out: Labels,
) -> None:
    """Write what wins within a part of a block; the rest only votes."""
    candidates = np.unique(labels)
    if len(candidates) == 1 or (
        values is not None and not np.isin(candidates, list(values)).any()
    ):
        return
    own = labels[inner]
    votes = np.zeros(own.shape, np.int32)
    winner = own.copy()
    for value in candidates:
        count = _count_around(labels == value, radius)[inner]
        # The own label is the first of equals.
        count = 2 * count + (own == value)
        np.copyto(winner, value, where=count > votes)
        np.maximum(votes, count, out=votes)
    if values is not None:
        wanted = list(values)
        is_meant = np.isin(own, wanted) | np.isin(winner, wanted)
        winner = np.where(is_meant, winner, own)
    out[...] = winner


def _count_around(
    mask: npt.NDArray[np.bool_], radius: int
) -> npt.NDArray[np.int32]:
    """Return how many pixels of a mask lie within a circle around each."""
    rows, columns = mask.shape
    sums = np.zeros((rows + 2 * radius, columns + 2 * radius + 1), np.int32)
    within: npt.NDArray[Any] = sums[radius : radius + rows, 1:]
    within[:, radius : radius + columns] = mask
    np.cumsum(within, axis=1, out=within)
    counts = np.zeros(mask.shape, np.int32)
    for step in range(-radius, radius + 1):
        half = int((radius**2 - step**2) ** 0.5)
        line = sums[radius + step : radius + step + rows]
        first = radius - half
        last = radius + half + 1
        counts += line[:, last : last + columns]
        counts -= line[:, first : first + columns]
    return counts
