"""Resizing a picture by parts, with the same bits as at once.

Rows first, then columns. Every value is made by sums in one order that
depends on its own place alone, never by a library that shares work out among
threads: where a value lies between two gray levels, the picture would depend
on it, and the same labels must come from any machine, band and region.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_naclip.engine.resample import bilinear_taps

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_naclip.engine.types import Resampling

#: Reduction beyond which bilinear resizing skips source pixels.
MAX_BILINEAR_REDUCTION = 2.0


def uses_area_average(
    source: tuple[int, ...], target: tuple[int, int], resampling: Resampling
) -> bool:
    """Return whether a picture is averaged by area between these sizes."""
    reduction = max(
        math.inf if not new else old / new
        for old, new in zip(source, target, strict=True)
    )
    return resampling == 'auto' and reduction > MAX_BILINEAR_REDUCTION


class _Take(Protocol):
    def __call__(self, lines: npt.NDArray[np.intp], /) -> Any:
        """Return a new float32 array of lines of the source, in order."""


@dataclass(frozen=True, slots=True)
class AxisResizing:
    """How the lines of one axis of a picture become fewer or more.

    Attributes
    ----------
    source, target : int
        Lines before and after.
    averages : bool
        Whether by area; else bilinear without antialiasing.
    """

    source: int
    target: int
    averages: bool

    def needed(
        self, start: int, stop: int
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return the first source line of each line, and that after its last.

        Parameters
        ----------
        start, stop : int
            The lines of the result.
        """
        if not self.averages:
            taps = bilinear_taps(self.source, self.target, start, stop)
            return taps.lower, taps.upper + 1
        lines = np.arange(start, stop)
        return (
            lines * self.source // self.target,
            -(-(lines + 1) * self.source // self.target),
        )

    def make(
        self, take: _Take, axis: int, start: int, stop: int
    ) -> npt.NDArray[np.float32]:
        """Return lines of the result; sums, where it averages.

        Parameters
        ----------
        take : callable
        axis : int
            Of what it returns.
        start, stop : int
            The lines that are wanted.
        """
        if self.averages:
            return self._sum(take, axis, start, stop)
        taps = bilinear_taps(self.source, self.target, start, stop)
        lower: npt.NDArray[np.float32] = take(taps.lower)
        if taps.fraction.any():
            shares = _along(axis, taps.fraction.astype(np.float32))
            lower *= 1 - shares
            upper = take(taps.upper)
            upper *= shares
            lower += upper
        return lower

    def counts(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Return how many source lines each sum of ``make`` holds."""
        if not self.averages:
            return np.ones(stop - start, np.float32)
        first, end = self.needed(start, stop)
        return (end - first).astype(np.float32)

    def _sum(
        self, take: _Take, axis: int, start: int, stop: int
    ) -> npt.NDArray[np.float32]:
        first, end = self.needed(start, stop)
        total: npt.NDArray[np.float32] = take(first)
        for step in range(1, int((end - first).max())):
            lines = first + step
            has_more = lines < end
            if has_more.all():
                total += take(lines)
            else:
                place = (slice(None),) * axis + (has_more,)
                total[place] += take(lines[has_more])
        return total


@dataclass(frozen=True, slots=True)
class Resizing:
    """How a picture of one size becomes one of another.

    Attributes
    ----------
    rows, columns : AxisResizing
    """

    rows: AxisResizing
    columns: AxisResizing

    @classmethod
    def between(
        cls,
        source: tuple[int, int],
        target: tuple[int, int],
        resampling: Resampling,
    ) -> Resizing:
        """Return the way from one size to another.

        Parameters
        ----------
        resampling : {'auto', 'published'}
            Bilinear without antialiasing; ``'auto'`` averages by area along
            with a reduction by more than 2.
        """
        averages = uses_area_average(source, target, resampling)
        return cls(
            AxisResizing(source[0], target[0], averages),
            AxisResizing(source[1], target[1], averages),
        )

    def make(
        self,
        take: _Take,
        rows: tuple[int, int],
        columns: tuple[int, int],
        left: int = 0,
    ) -> npt.NDArray[np.uint8]:
        """Return a part of the result, rounded to 8 bits.

        Parameters
        ----------
        take : callable
            Returns (n, source columns, 3) values, 0 to 255.
        rows, columns : (int, int)
            The part that is wanted.
        left : int
            The source column that `take` starts with.

        Returns
        -------
        (rows, columns, 3) uint8 array
        """
        lines = self.rows.make(take, 0, *rows)
        if (self.columns.source, left) != (self.columns.target, 0) or (
            columns != (0, self.columns.target)
        ):
            lines = self.columns.make(
                lambda indices: lines.take(indices - left, 1), 1, *columns
            )
        if self.rows.averages:
            down, across = self.rows.counts(*rows), self.columns.counts
            lines /= _along(0, down) * _along(1, across(*columns))
        lines += np.float32(0.5)
        np.clip(lines, 0, 255, out=lines)
        return lines.astype(np.uint8)


def _along(
    axis: int, values: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return values of lines, to be multiplied with a picture."""
    return values.reshape([-1 if axis == i else 1 for i in range(3)])


def resize(
    picture: npt.NDArray[np.float32],
    size: tuple[int, int],
    resampling: Resampling,
) -> npt.NDArray[np.uint8]:
    """Return a picture resized and rounded to 8 bits.

    Parameters
    ----------
    picture : (H, W, 3) float32 array
        0 to 255.
    size : (int, int)
        Rows and columns of the result.
    resampling : {'auto', 'published'}
        See ``Resizing.between``.

    Returns
    -------
    (size[0], size[1], 3) uint8 array
    """
    height, width = picture.shape[:2]
    resizing = Resizing.between((height, width), size, resampling)
    return resizing.make(
        lambda lines: picture.take(lines, 0), (0, size[0]), (0, size[1])
    )
