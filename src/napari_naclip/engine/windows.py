"""Where the sliding windows lie: pure integers, known before any model is.

The windows of a plan all have one size and form a lattice: every combination
of a top row and a left column. The last window of a row or column is moved
back to the border and counts like any other (the published rule). The plan
belongs to the whole plane; a region of it takes a part of the lattice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.resample import bilinear_taps, covering_windows
from napari_naclip.engine.types import REFINEMENTS, Region

if TYPE_CHECKING:
    from napari_naclip.engine.types import Refinement, Settings


#: Pixels around a region that its `fine` refinement looks at: with fewer than
#: 1 in 10,000 labels another than by the whole image, as
#: ``benchmarks/fine_halo.py`` measures, unless the image repeats itself to
#: the pixel.
FINE_HALO = 320
#: More than any machine's memory holds as a picture, and less than what makes
#: planning itself slow.
MAX_PIXELS = 2**31


@dataclass(frozen=True, slots=True)
class WindowPart:
    """A rectangle of a lattice of windows.

    Attributes
    ----------
    rows, columns : range
        Of the lattice.
    """

    rows: range
    columns: range

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def holds(self, other: WindowPart) -> bool:
        """Return whether all windows of another part are in this one."""
        return all(
            mine.start <= its.start and its.stop <= mine.stop
            for mine, its in (
                (self.rows, other.rows),
                (self.columns, other.columns),
            )
        )


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """A lattice of equal windows that covers an image.

    Attributes
    ----------
    height, width : int
        Size of the image in pixels.
    window_height, window_width : int
        Size of every window in pixels.
    tops, lefts : tuple of int
        First row and first column of the windows, increasing.
    """

    height: int
    width: int
    window_height: int
    window_width: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    @property
    def corners(self) -> list[tuple[int, int]]:
        """Top row and left column of each window, row by row."""
        return [(top, left) for top in self.tops for left in self.lefts]

    def __len__(self) -> int:
        return len(self.tops) * len(self.lefts)

    def part(
        self, size: tuple[int, int], region: Region | None = None
    ) -> WindowPart:
        """Return the windows that any pixel of a region depends on.

        Parameters
        ----------
        size : (int, int)
            Rows and columns of the image itself, before it was resized to
            this plan's.
        region : Region, optional
            In pixels of the image itself; None: all of it.
        """
        if region is None:
            return WindowPart(range(len(self.tops)), range(len(self.lefts)))
        return WindowPart(
            _needed(
                self.tops,
                self.window_height,
                (self.height, size[0]),
                (region.top, region.bottom),
            ),
            _needed(
                self.lefts,
                self.window_width,
                (self.width, size[1]),
                (region.left, region.right),
            ),
        )

    def covered(self, size: tuple[int, int], part: WindowPart) -> Region:
        """Return the pixels of the image that no other window changes.

        Parameters
        ----------
        size : (int, int)
            Rows and columns of the image itself.
        part : WindowPart
            The windows that are there; enough for a pixel at least.
        """
        top, bottom = _covered(
            self.tops, self.window_height, (self.height, size[0]), part.rows
        )
        left, right = _covered(
            self.lefts, self.window_width, (self.width, size[1]), part.columns
        )
        return Region(top, left, bottom, right)

    def part_corners(self, part: WindowPart) -> list[tuple[int, int]]:
        """Return the corners of a part's windows, row by row."""
        return [
            (self.tops[row], self.lefts[column])
            for row in part.rows
            for column in part.columns
        ]


def _needed(
    starts: tuple[int, ...],
    window: int,
    lengths: tuple[int, int],
    pixels: tuple[int, int],
) -> range:
    taps = bilinear_taps(*lengths, *pixels)
    return covering_windows(
        starts, window, int(taps.lower[0]), int(taps.upper[-1]) + 1
    )


def _covered(
    starts: tuple[int, ...],
    window: int,
    lengths: tuple[int, int],
    part: range,
) -> tuple[int, int]:
    """Return the first pixel, and the one after the last."""
    taps = bilinear_taps(*lengths, 0, lengths[1])
    first = starts[part.start - 1] + window if part.start else 0
    stop = starts[part.stop] if part.stop < len(starts) else lengths[0]
    return (
        int(np.searchsorted(taps.lower, first, side='left')),
        int(np.searchsorted(taps.upper, stop, side='left')),
    )


def plan_windows(
    height: int, width: int, *, window: int, stride: int
) -> WindowPlan:
    """Return the windows of an image.

    Parameters
    ----------
    height, width : int
        Size of the image in pixels, at least 1.
    window : int
        Side of the window in pixels; 0: the whole image. A side of the image
        that is shorter than the window gives a shorter window.
    stride : int
        Step between windows in pixels, 1 to `window`.
    """
    if window == 0:
        return WindowPlan(height, width, height, width, (0,), (0,))
    if stride > window:
        raise InputError(
            f'The stride {stride} is larger than the window {window}: pixels '
            'between the windows would never be seen. Lower the stride.'
        )
    return WindowPlan(
        height,
        width,
        min(window, height),
        min(window, width),
        _starts(height, window, stride),
        _starts(width, window, stride),
    )


def _starts(length: int, window: int, stride: int) -> tuple[int, ...]:
    count = max(length - window + stride - 1, 0) // stride + 1
    last = max(length - window, 0)
    return tuple(min(index * stride, last) for index in range(count))


def working_size(
    height: int,
    width: int,
    *,
    detail: int | None,
    max_side: int,
    reduction: float | None = None,
) -> tuple[int, int]:
    """Return the size at which the windows slide.

    The factor is min(max_side / long side, detail / short side), and a side
    of n pixels becomes int(n * factor + 0.5), at least 1. A reduction of N
    image pixels to a model pixel makes it int(n / N + 0.5) instead.
    """
    if reduction is not None:
        return (
            max(1, int(height / reduction + 0.5)),
            max(1, int(width / reduction + 0.5)),
        )
    if detail is None:
        return height, width
    factor = min(max_side / max(height, width), detail / min(height, width))
    return (
        max(1, int(height * factor + 0.5)),
        max(1, int(width * factor + 0.5)),
    )


def plan_image(
    height: int, width: int, settings: Settings, *, window: int, stride: int
) -> WindowPlan:
    """Return the windows of an image as settings want them.

    Parameters
    ----------
    height, width : int
        Size of the whole image in pixels, at least 1.
    settings : Settings
    window, stride : int
        What suits the model, in pixels; the settings may say otherwise.

    Raises
    ------
    InputError
        If the stride is larger than the window, or the image would be seen
        at more than ``MAX_PIXELS``.
    """
    rows, columns = working_size(
        height,
        width,
        detail=settings.detail,
        max_side=settings.max_side,
        reduction=settings.reduction,
    )
    if rows * columns > MAX_PIXELS:
        raise InputError(
            f'The image would be seen at {rows} x {columns} pixels, more than '
            'any memory holds. Raise the reduction, or lower the detail.'
        )
    if settings.window is not None:
        window, stride = settings.window, max(1, settings.window // 2)
    if settings.stride is not None:
        stride = settings.stride
    return plan_windows(rows, columns, window=window, stride=stride)


def check_region(size: tuple[int, int], region: Region) -> None:
    """Raise ``InputError`` if a region reaches out of an image of a size."""
    if region.bottom > size[0] or region.right > size[1]:
        raise InputError(
            f'The region ends at row {region.bottom} and column '
            f'{region.right}, but the image has {size[0]} x {size[1]} '
            'pixels. Choose a region inside it.'
        )


def with_halo(
    region: Region, size: tuple[int, int], refinement: Refinement
) -> Region:
    """Return a region and what around it counts for its refined labels.

    For ``'fast'`` that is all that can change them; for ``'fine'``, where it
    would be 1200 pixels, no more than ``FINE_HALO``.
    """
    steps, dilations = REFINEMENTS[refinement]
    reach = steps * max(dilations, default=0)
    if refinement == 'fine':
        reach = min(reach, FINE_HALO)
    return Region(
        max(region.top - reach, 0),
        max(region.left - reach, 0),
        min(region.bottom + reach, size[0]),
        min(region.right + reach, size[1]),
    )


def count_windows(
    plan: WindowPlan,
    size: tuple[int, int],
    region: Region | None = None,
    refinement: Refinement = 'off',
) -> int:
    """Return how many windows a run has to look at.

    Parameters
    ----------
    plan : WindowPlan
        Of the whole image.
    size : (int, int)
        Rows and columns of the whole image.
    region : Region, optional
        What is run, in pixels of the image; None: all of it.
    refinement : {'off', 'fast', 'fine'}
        Refined labels depend on more pixels around the region.
    """
    if region is None:
        return len(plan)
    check_region(size, region)
    return len(plan.part(size, with_halo(region, size, refinement)))
