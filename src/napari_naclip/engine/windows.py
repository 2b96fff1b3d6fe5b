"""Where the sliding windows lie: pure integers.

The windows of a plan all have one size and form a lattice: every combination
of a top row and a left column. The last window of a row or column is moved
back to the border and counts like any other (the published rule).
"""

from __future__ import annotations

from dataclasses import dataclass

from napari_naclip.engine.errors import InputError


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
