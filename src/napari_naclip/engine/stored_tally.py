"""A tally that may lie on the disk, between groups of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_naclip.engine import outputs
from napari_naclip.engine.decide import Tally

if TYPE_CHECKING:
    import numpy.typing as npt


class StoredTally:
    """How pixels are decided so far, in memory or on the disk.

    It counts to the budget of outputs, see ``outputs.zeros``.

    Parameters
    ----------
    size : (int, int)
        Rows and columns.
    has_synonyms : bool
        Whether the two sums differ.
    """

    def __init__(self, size: tuple[int, int], *, has_synonyms: bool) -> None:
        dtypes: list[type[np.generic]] = [np.float32, np.int16, np.float32]
        if has_synonyms:
            dtypes.append(np.float32)
        self._arrays: list[npt.NDArray[Any] | outputs.BandBuffer] = [
            outputs.buffered(outputs.zeros(size, dtype)) for dtype in dtypes
        ]

    def load(self, rows: slice, columns: slice) -> Tally:
        """Return the tally of a part that was saved: not to be changed."""
        best, owner, *sums = (
            torch.from_numpy(array[rows, columns]) for array in self._arrays
        )
        return Tally(best, owner, sums[0], sums[-1])

    def save(self, rows: slice, columns: slice, tally: Tally) -> None:
        """Keep the tally of a part."""
        values = tally.best, tally.owner, tally.queries, tally.classes
        for array, value in zip(self._arrays, values, strict=False):
            array[rows, columns] = value.numpy()
