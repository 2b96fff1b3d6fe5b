"""Blocks of label arrays: writing in place, and locked classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]

#: Locked classes up to which comparing with each is faster than a search.
_MOST_COMPARED: Final = 16


def put(
    array: Any,
    at: tuple[int | slice, ...],
    values: npt.NDArray[Any],
    where: Mask,
) -> None:
    """Put values into a block of an array, in place, where a mask says.

    Layers may hold arrays of other kinds than numpy's.
    """
    if isinstance(array, np.ndarray):
        np.copyto(array[at], values, where=where)
    elif where.all():
        # Reading, unpacking, packing and writing of chunks all take long.
        array[at] = values
    elif where.any():
        array[at] = np.where(where, values, np.asarray(array[at]))


def find_locked(
    locked: Collection[int], *labels: npt.NDArray[np.integer]
) -> Mask:
    """Return where any of some label arrays has a locked class."""
    found = np.zeros(labels[0].shape, bool)
    if len(locked) > _MOST_COMPARED:
        fixed = list(locked)
        for each in labels:
            found |= np.isin(each, fixed)
    else:
        for value in locked:
            for each in labels:
                found |= each == value
    return found


def reduce_mask(mask: Mask, step: int) -> Mask:
    """Return a mask at 1/step of its size, set where any of its pixels is."""
    if step <= 1:
        return mask
    # Rows first: those lie together in memory, and leave little for the rest.
    by_row = mask[::step].copy()
    for start in range(1, step):
        part = mask[start::step]
        by_row[: len(part)] |= part
    reduced = by_row[:, ::step].copy()
    for start in range(1, step):
        part = by_row[:, start::step]
        reduced[:, : part.shape[1]] |= part
    return reduced
