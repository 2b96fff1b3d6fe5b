"""A coarse grid of an image's pixels, and the tokens as seen from it.

Tokens vary slowly, so that what belongs together is found on a few hundred
thousand pixels of any image. A grid pixel is the pixel in the middle of a
square of image pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.engine.resample import token_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import torch

    from napari_naclip.engine.features import Features
    from napari_naclip.engine.live import LiveSegmentation

    Floats = npt.NDArray[Any]
    Integers = npt.NDArray[np.integer[Any]]

#: Pixels of a grid, at most.
GRID_PIXELS = 400_000
#: Tokens that the principal components are found from, about.
_SAMPLE = 8192


@dataclass(frozen=True, slots=True)
class Grid:
    """Some of the pixels of an area, at equal distances.

    Attributes
    ----------
    size : (int, int)
        Rows and columns of the area.
    step : int
        Side, in pixels, of the squares that a grid pixel stands for; the last
        ones may be cut.
    """

    size: tuple[int, int]
    step: int

    @classmethod
    def of(cls, size: tuple[int, int], most: int = GRID_PIXELS) -> Grid:
        """Return the finest grid of at most so many pixels."""
        step = 1
        while -(-size[0] // step) * -(-size[1] // step) > most:
            step += 1
        return cls(size, step)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of grid pixels."""
        return -(-self.size[0] // self.step), -(-self.size[1] // self.step)

    def positions(self, axis: int) -> Integers:
        """Return the row, or column, of the area of each grid pixel."""
        middles = np.arange(self.shape[axis]) * self.step + self.step // 2
        return np.minimum(middles, self.size[axis] - 1)

    def sample(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the grid's pixels of an array of the area's size."""
        rows, columns = self.positions(0), self.positions(1)
        # A row at a time: the array may lie on a disk.
        return np.stack([np.asarray(pixels[row])[columns] for row in rows])

    def spread(self, values: npt.NDArray[Any], top: int, bottom: int) -> Any:
        """Return the grid's values for all pixels of some rows."""
        rows = values[np.arange(top, bottom) // self.step]
        if self.step == 1:
            return rows
        return np.repeat(rows, self.step, axis=1)[:, : self.size[1]]


def token_maps(live: LiveSegmentation, grid: Grid, count: int) -> Floats:
    """Return the principal components of the tokens on a grid.

    Parameters
    ----------
    live : LiveSegmentation
    grid : Grid
        Of its features' region.
    count : int
        Components, K, at most.

    Returns
    -------
    (K, rows, columns) float32 array
        Interpolated as scores are.
    """
    features = live.features
    part, plan = features.part, features.plan
    rows, columns, _ = features.tokens.shape
    axes = _components(live, count)
    count = axes.shape[1] - 1
    shape = count, len(part.rows) * rows, len(part.columns) * columns
    values = np.empty(shape, np.float32)
    with live.reading_tokens() as window_tokens:
        for index, place in _window_places(features):
            window = _flat(window_tokens(index))
            scores = window @ axes[:, :-1] - axes[:, -1] @ axes[:, :-1]
            values[:, *place] = scores.T.reshape(count, rows, columns)
    area = features.region
    down = _axis_matrix(
        plan.tops,
        (plan.window_height, rows),
        (plan.height, features.size[0]),
        part.rows,
        grid.positions(0) + area.top,
    )
    across = _axis_matrix(
        plan.lefts,
        (plan.window_width, columns),
        (plan.width, features.size[1]),
        part.columns,
        grid.positions(1) + area.left,
    )
    maps: Floats = down @ values @ across.T
    return maps


def _components(live: LiveSegmentation, count: int) -> Floats:
    """Return the directions in which tokens differ most.

    Returns
    -------
    (D, K + 1) float32 array
        K unit directions, and the mean token last.
    """
    tokens = live.features.tokens
    rows, columns, _ = tokens.shape
    step = max(1, len(tokens) * rows * columns // _SAMPLE)
    # A step that divides the grid would take the same places always.
    step += step % 2 == 0
    sample, start = [], 0
    with live.reading_tokens() as window_tokens:
        for index in range(len(tokens)):
            window = _flat(window_tokens(index))
            sample.append(window[start::step])
            start = (start - len(window)) % step
    values = np.concatenate(sample)
    mean: Floats = values.mean(axis=0)
    values -= mean
    # Of the covariance, which has a size that no image changes.
    _, vectors = np.linalg.eigh(values.T @ values)
    best = vectors[:, ::-1][:, :count]
    return np.concatenate([best, mean[:, None]], axis=1)


def _flat(tokens: torch.Tensor) -> Floats:
    """Return the (n, D) float32 tokens of a window, row by row."""
    window: Floats = tokens.reshape(-1, tokens.shape[-1]).numpy()
    return window


def _window_places(
    features: Features,
) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Yield each window of the part and where its tokens lie in a lattice."""
    rows, columns, _ = features.tokens.shape
    width = len(features.part.columns)
    for index in range(len(features.tokens)):
        row, column = divmod(index, width)
        yield (
            index,
            (
                slice(row * rows, (row + 1) * rows),
                slice(column * columns, (column + 1) * columns),
            ),
        )


def token_sums(
    live: LiveSegmentation, grid: Grid, owners: Integers, count: int
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """Return sums of the tokens under groups of grid pixels.

    Parameters
    ----------
    live : LiveSegmentation
    grid : Grid
        Of its features' region.
    owners : (rows, columns) int array
        Group of each grid pixel.
    count : int
        Of groups, N.

    Returns
    -------
    sums : (N, D) float32 array
        Each grid pixel counts the nearest token of each window over it.
    weights : (N,) float64 array
        How many tokens were added.
    """
    from scipy.sparse import csr_array

    features = live.features
    plan = features.plan
    rows, columns, size = features.tokens.shape
    area = features.region
    down = _seen_positions(
        grid.positions(0) + area.top, plan.height, features.size[0]
    )
    across = _seen_positions(
        grid.positions(1) + area.left, plan.width, features.size[1]
    )
    sums = np.zeros((count, size), np.float32)
    weights = np.zeros(count)
    with live.reading_tokens() as window_tokens:
        for index, (top, left) in enumerate(plan.part_corners(features.part)):
            inside = np.flatnonzero(
                (down >= top) & (down < top + plan.window_height)
            )
            beside = np.flatnonzero(
                (across >= left) & (across < left + plan.window_width)
            )
            if not len(inside) or not len(beside):
                continue
            y = ((down[inside] - top) * rows / plan.window_height).astype(int)
            x = ((across[beside] - left) * columns / plan.window_width).astype(
                int
            )
            place = y[:, None] * columns + x
            groups = owners[np.ix_(inside, beside)]
            # How many grid pixels of each group have each token.
            shares = csr_array(
                (
                    np.ones(place.size, np.float32),
                    (groups.ravel(), place.ravel()),
                ),
                shape=(count, rows * columns),
            )
            sums += shares @ _flat(window_tokens(index))
            weights += np.asarray(shares.sum(axis=1), float)
    return sums, weights


def _seen_positions(
    pixels: Integers, seen: int, length: int
) -> npt.NDArray[np.float64]:
    """Return where pixels of an axis lie in the picture that was seen."""
    positions: Floats = (pixels + 0.5) * (seen / length)
    return positions


def _axis_matrix(
    starts: tuple[int, ...],
    window: tuple[int, int],
    lengths: tuple[int, int],
    part: range,
    pixels: Integers,
) -> Floats:
    """Return the matrix from the tokens of a part to pixels of an axis.

    Parameters
    ----------
    starts : tuple of int
        Of all windows of the lattice.
    window : (int, int)
        Length of a window in pixels, and in tokens.
    lengths : (int, int)
        Of the axis that was seen, and of the image's own.
    part : range
        Windows that were run.
    pixels : (n,) int array
    """
    length, grid = window
    shift = part.start * grid
    matrix = np.zeros((len(pixels), len(part) * grid), np.float32)
    for row, pixel in enumerate(pixels):
        windows, weights = token_block(
            starts, length, grid, lengths, int(pixel), int(pixel) + 1
        )
        first = windows.start * grid - shift
        low, high = (
            max(first, 0),
            min(first + weights.shape[1], matrix.shape[1]),
        )
        values = weights[0, low - first : high - first]
        matrix[row, low:high] = values / values.sum()
    return matrix
