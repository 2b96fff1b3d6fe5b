"""How far labels of the model agree with the corrected ones, class by class.

Counted a strip at a time: of each label value the pixels in both, in the
model's labels and in the corrected ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """The agreement of one label value.

    Attributes
    ----------
    value : int
    both, model, corrected : int
        Pixels that have the value in both, in the model's labels, and in the
        corrected ones.
    """

    value: int
    both: int
    model: int
    corrected: int

    @property
    def union(self) -> int:
        """Pixels that have the value in either."""
        return self.model + self.corrected - self.both

    @property
    def iou(self) -> float:
        """Intersection over union, 0 to 1; NaN without a pixel."""
        return self.both / self.union if self.union else float('nan')

    @property
    def taken(self) -> int:
        """Pixels that the model gave to the class and the person took."""
        return self.model - self.both

    @property
    def given(self) -> int:
        """Pixels that the person gave to the class and the model had not."""
        return self.corrected - self.both


class Agreement:
    """Counts where two sets of labels agree.

    Attributes
    ----------
    pixels : int
        That were compared.
    equal : int
        Of those, how many are equal.
    left_out : int
        Pixels that were not compared.
    """

    def __init__(self) -> None:
        self.pixels = self.equal = self.left_out = 0
        #: Of each value: in both, of the model, corrected.
        self._counts: Counts = np.zeros((3, 1), np.int64)

    def add(
        self,
        model: npt.NDArray[np.integer[Any]],
        corrected: npt.NDArray[np.integer[Any]],
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Compare a part.

        Parameters
        ----------
        model, corrected : integer arrays of one shape
            Values from 0.
        mask : bool array of that shape, optional
            Which pixels to compare; all by default.
        """
        self.left_out += model.size
        if mask is not None:
            model, corrected = model[mask], corrected[mask]
        model, corrected = model.ravel(), corrected.ravel()
        is_equal = model == corrected
        parts = [
            np.bincount(each) for each in (model[is_equal], model, corrected)
        ]
        length = max(self._counts.shape[1], *map(len, parts))
        counts = np.zeros((3, length), np.int64)
        counts[:, : self._counts.shape[1]] = self._counts
        for row, part in zip(counts, parts, strict=True):
            row[: len(part)] += part
        self._counts = counts
        self.pixels += model.size
        self.left_out -= model.size
        self.equal += int(np.count_nonzero(is_equal))

    @property
    def accuracy(self) -> float:
        """Share of the compared pixels that are equal; NaN without one."""
        return self.equal / self.pixels if self.pixels else float('nan')

    @property
    def changed(self) -> int:
        """Compared pixels that differ."""
        return self.pixels - self.equal

    def classes(self) -> tuple[ClassAgreement, ...]:
        """Return the agreement of each value that either has pixels of."""
        return tuple(
            ClassAgreement(int(value), *map(int, self._counts[:, value]))
            for value in np.flatnonzero(self._counts.any(axis=0))
        )

    @property
    def mean_iou(self) -> float:
        """Mean of the IoU of these values; NaN without one."""
        found = [each.iou for each in self.classes()]
        return sum(found) / len(found) if found else float('nan')


def compare(
    model: Any,
    corrected: Any,
    mask: npt.NDArray[np.bool_] | None = None,
    *,
    strip: int = 256,
) -> Iterator[Agreement]:
    """Compare two planes a strip at a time.

    Parameters
    ----------
    model, corrected : (H, W) integer arrays
        Or others that give arrays for slices of rows.
    mask : (H, W) bool array, optional
        Which pixels to compare; all by default.
    strip : int
        Rows that are compared at a time.

    Yields
    ------
    Agreement
        The same one, of all strips so far.
    """
    agreement = Agreement()
    for top in range(0, model.shape[0], strip):
        rows = slice(top, top + strip)
        agreement.add(
            np.asarray(model[rows]),
            np.asarray(corrected[rows]),
            None if mask is None else mask[rows],
        )
        yield agreement
