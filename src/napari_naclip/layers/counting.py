"""Counts of label values, in pieces that hold up no window.

``numpy.bincount`` lets no other thread run, and makes eight bytes of each
pixel on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy.typing as npt

    from napari_naclip.layers.snapshot import PlaneSnapshot

#: Pixels that are counted at a time: some milliseconds.
_PIECE = 1_000_000


def iter_counts(
    values: Any, mask: npt.NDArray[np.bool_] | None = None
) -> Generator[None, None, npt.NDArray[np.int64]]:
    """Yield after each piece; return the pixels of each label value.

    Parameters
    ----------
    values : (rows, columns) array-like of unsigned integers
        May be lazy: pieces of rows are read.
    mask : (rows, columns) bool array, optional
        Which pixels count; all by default.

    Returns
    -------
    (largest value + 1,) int64 array
    """
    counts = np.zeros(1, np.int64)
    step = max(1, _PIECE // max(1, values.shape[1]))
    for start in range(0, values.shape[0], step):
        part = slice(start, start + step)
        piece = np.asarray(values[part])
        piece = piece.ravel() if mask is None else piece[mask[part]]
        counts = add_counts(counts, np.bincount(piece))
        yield
    return counts


def add_counts(
    one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the sums of two counts, as long as the longer one."""
    counts = np.zeros(max(len(one), len(other)), np.int64)
    counts[: len(one)] += one
    counts[: len(other)] += other
    return counts


def count_labels(
    snapshot: PlaneSnapshot, labels: npt.NDArray[np.unsignedinteger]
) -> npt.NDArray[np.int64]:
    """Return the pixels that a snapshot has of each label value.

    Parameters
    ----------
    snapshot : PlaneSnapshot
    labels : (rows, columns) array
        As displayed; of its region, or of its plane.
    """
    mask = snapshot.mask
    if mask is not None and mask.shape != labels.shape:
        mask = None
    steps = iter_counts(labels, mask)
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        counts: npt.NDArray[np.int64] = stop.value
        return counts
