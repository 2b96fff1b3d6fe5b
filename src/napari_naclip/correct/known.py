"""Which pixels the model is known to have labeled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]


def find_known(
    model: npt.NDArray[np.integer[Any]],
    parts: Sequence[tuple[tuple[slice, slice], Mask | None]],
    *,
    has_background: bool,
) -> tuple[Mask | None, bool]:
    """Return which pixels of a plane the model labeled, and whether surely.

    In what it wrote, 0 is background where there is such a row, but also
    where it never wrote. Without such a row 0 can only be the latter.

    Parameters
    ----------
    model : (H, W) integer array
        What it wrote.
    parts : sequence of slices and mask
        Rows and columns that it is known to have labeled, and which pixels
        of them; None: all.
    has_background : bool

    Returns
    -------
    known : (H, W) bool array or None
        None: all of them.
    is_sure : bool
        False where background and never written are not to be told apart.
    """
    whole = np.asarray(model) != 0
    if not has_background:
        return (None if whole.all() else whole), True
    if not parts:
        return None, False
    for place, mask in parts:
        if mask is None:
            whole[place] = True
        else:
            whole[place] |= mask
    return (None if whole.all() else whole), True
