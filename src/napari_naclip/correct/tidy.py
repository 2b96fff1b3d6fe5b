"""Clean-up of labels that a person asks for, of one class or of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_naclip.correct.smooth import smooth
from napari_naclip.engine.cleanup import clean, keep_largest

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    Labels = npt.NDArray[np.unsignedinteger]


@dataclass(frozen=True, slots=True)
class CleanUp:
    """What is to be cleaned, in the order in which it is done.

    Attributes
    ----------
    radius : int
        Of smoothing, in pixels; 0: none. See ``smooth.smooth``.
    largest_only : bool
        Whether only the largest object of each label stays.
    min_object, max_hole : int
        Sizes in pixels below which objects go to what is around them and
        holes are filled; 0: none. See ``engine.cleanup.clean``.
    values : frozenset of int or None
        Labels that it is about; None: all.
    """

    radius: int = 0
    largest_only: bool = False
    min_object: int = 0
    max_hole: int = 0
    values: frozenset[int] | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether it leaves all labels as they are."""
        return not (
            self.radius
            or self.largest_only
            or self.min_object > 1
            or self.max_hole > 1
        )

    def apply(
        self, labels: Labels, is_stopped: Callable[[], bool] = bool
    ) -> Labels:
        """Return clean labels.

        Parameters
        ----------
        labels : (H, W) uint8 or uint16 array
            Left as it is.
        is_stopped : callable, optional
            True ends it early; what is returned then is unfinished.

        Returns
        -------
        (H, W) array
            Of the same dtype.

        Raises
        ------
        InputError
            If the radius is out of range.
        """
        labels = smooth(
            labels, self.radius, values=self.values, is_stopped=is_stopped
        )
        if self.largest_only and not is_stopped():
            labels = keep_largest(labels, self.values)
        if not is_stopped():
            labels = clean(
                labels, min_object=self.min_object, values=self.values
            )
        if not is_stopped():
            labels = clean(labels, max_hole=self.max_hole, values=self.values)
        return labels
