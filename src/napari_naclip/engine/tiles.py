"""From token scores to maps at the image's size, tile by tile.

Tiles lie at fixed places of the whole image, and every product has a shape
that depends on the tile and nothing else: windows that were not run count as
zeros, and queries come in blocks of one width. This is what makes a region
equal to the same part of the whole image, and a class's scores independent
of the other classes, to the last bit. It is also fast, because a tile
depends on few tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_naclip.engine.resample import bilinear_taps, token_block

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_naclip.engine.classify import Features
    from napari_naclip.engine.types import Region

#: Side of a tile in pixels of the image: its maps stay in the cache.
TILE = 128
#: Queries whose scores are computed together; missing ones are zeros.
QUERY_BLOCK = 16


class TokenScores:
    """Cosines of all tokens with all queries, laid out as the windows lie.

    Parameters
    ----------
    features : Features
        Their tokens may still be incomplete; see ``add``.
    queries : (Q, D) float32 Tensor
        Unit query embeddings.

    Attributes
    ----------
    queries : int
        Q.
    values : (B, len(part.rows) * rows, len(part.columns) * columns) Tensor
        float32; the token grids of the windows side by side, 0 for windows
        that are not there yet. B is Q rounded up to whole blocks.
    """

    def __init__(self, features: Features, queries: torch.Tensor) -> None:
        self.queries = len(queries)
        count = -(-self.queries // QUERY_BLOCK)
        padded = queries.new_zeros(count * QUERY_BLOCK, queries.shape[1])
        padded[: self.queries] = queries
        self._blocks = [
            block.T.contiguous() for block in padded.split(QUERY_BLOCK)
        ]
        self._tokens = features.tokens
        self._columns = len(features.part.columns)
        self._done = 0
        _, rows, columns, _ = self._tokens.shape
        self.values = torch.zeros(
            len(padded),
            len(features.part.rows) * rows,
            self._columns * columns,
        )

    def add(self, stop: int) -> None:
        """Score the windows of the features up to, not with, `stop`."""
        _, rows, columns, size = self._tokens.shape
        # Window by window, from one place in memory: any other shape or
        # alignment may end in other last bits.
        window = torch.empty(rows * columns, size)
        for index in range(self._done, stop):
            row, column = divmod(index, self._columns)
            window.copy_(self._tokens[index].reshape(window.shape))
            place = self.values[
                :,
                row * rows : (row + 1) * rows,
                column * columns : (column + 1) * columns,
            ]
            for target, block in zip(
                place.split(QUERY_BLOCK), self._blocks, strict=True
            ):
                target.copy_((window @ block).T.unflatten(1, (rows, columns)))
        self._done = max(self._done, stop)


@dataclass(frozen=True, slots=True, eq=False)
class AxisTile:
    """One axis of a tile.

    Attributes
    ----------
    start, stop : int
        Pixels of the image.
    windows : range
        Windows of the whole lattice that these pixels depend on.
    tokens : (K,) intp array
        Tokens of the whole lattice with a weight, increasing.
    matrix : (stop - start, K) float32 Tensor
        Their weights.
    """

    start: int
    stop: int
    windows: range
    tokens: npt.NDArray[np.intp]
    matrix: torch.Tensor

    def overlap(self, start: int, stop: int) -> tuple[slice, slice]:
        """Return the pixels common with a span, in the tile and in it."""
        low, high = max(self.start, start), min(self.stop, stop)
        return (
            slice(low - self.start, high - self.start),
            slice(low - start, high - start),
        )


class Axis:
    """The tiles of one axis of the image, made when they are asked for.

    Parameters
    ----------
    starts, window : tuple of int, int
        First pixel of each window and their length, on the resized axis.
    grid : int
        Tokens of a window.
    lengths : (int, int)
        Of the resized axis and of the image's own.
    """

    def __init__(
        self,
        starts: tuple[int, ...],
        window: int,
        grid: int,
        lengths: tuple[int, int],
    ) -> None:
        self._starts = starts
        self._window = window
        self._grid = grid
        self._lengths = lengths
        self._tiles: dict[int, AxisTile] = {}

    def touching(self, start: int, stop: int) -> range:
        """Return the tiles that hold any of the pixels."""
        return range(start // TILE, -(-stop // TILE))

    def tile(self, index: int) -> AxisTile:
        """Return a tile."""
        if index not in self._tiles:
            self._tiles[index] = self._make(index)
        return self._tiles[index]

    def _make(self, index: int) -> AxisTile:
        start = index * TILE
        stop = min(start + TILE, self._lengths[1])
        windows, block = token_block(
            self._starts, self._window, self._grid, self._lengths, start, stop
        )
        weights = block.astype(np.float32)
        used = np.flatnonzero(weights.any(axis=0))
        return AxisTile(
            start,
            stop,
            windows,
            used + windows.start * self._grid,
            # Copied: torch aligns its memory, numpy may not, and the last
            # bits of products depend on it.
            torch.tensor(weights[:, used]),
        )


class Projection:
    """The linear map from token scores to maps at the image's size.

    It upsamples every window's scores to its pixels, averages overlapping
    windows, and resizes to the image.
    """

    def __init__(self, features: Features) -> None:
        plan = features.plan
        self._grid = features.tokens.shape[1], features.tokens.shape[2]
        self._part = features.part
        self._guide = features.guide
        self._size = features.size
        self.rows = Axis(
            plan.tops,
            plan.window_height,
            self._grid[0],
            (plan.height, features.size[0]),
        )
        self.columns = Axis(
            plan.lefts,
            plan.window_width,
            self._grid[1],
            (plan.width, features.size[1]),
        )

    def tile(
        self, scores: TokenScores, row: AxisTile, column: AxisTile
    ) -> torch.Tensor:
        """Return the (Q, rows, columns) float32 maps of a tile."""
        down, across = (
            _present(axis.tokens, windows, grid)
            for axis, windows, grid in zip(
                (row, column),
                (self._part.rows, self._part.columns),
                self._grid,
                strict=True,
            )
        )
        gathered = scores.values[:, down.source][:, :, across.source]
        known = torch.zeros(len(gathered), len(row.tokens), len(column.tokens))
        known[:, down.target, across.target] = gathered
        height, width = row.stop - row.start, column.stop - column.start
        maps = torch.empty(len(known), height, width)
        left = row.matrix.expand(QUERY_BLOCK, -1, -1)
        right = column.matrix.T.expand(QUERY_BLOCK, -1, -1)
        for block, out in zip(
            known.split(QUERY_BLOCK), maps.split(QUERY_BLOCK), strict=True
        ):
            torch.bmm(torch.bmm(left, block), right, out=out)
        return maps[: scores.queries]

    def maps(self, scores: TokenScores, area: Region) -> torch.Tensor:
        """Return the (Q, rows, columns) float32 maps of an area."""
        maps = torch.empty(scores.queries, *area.size)
        for i in self.rows.touching(area.top, area.bottom):
            row = self.rows.tile(i)
            inner_rows, rows = row.overlap(area.top, area.bottom)
            for j in self.columns.touching(area.left, area.right):
                column = self.columns.tile(j)
                inner, columns = column.overlap(area.left, area.right)
                maps[:, rows, columns] = self.tile(scores, row, column)[
                    :, inner_rows, inner
                ]
        return maps

    def guide(self, area: Region) -> torch.Tensor:
        """Return the (3, rows, columns) picture at the image's size."""
        _, height, width = self._guide.shape
        picture = _resample(
            self._guide, 1, height, self._size[0], area.top, area.bottom
        )
        return _resample(
            picture, 2, width, self._size[1], area.left, area.right
        ).contiguous()


@dataclass(frozen=True, slots=True, eq=False)
class _Present:
    """Which of an axis's tokens are there, and where."""

    source: torch.Tensor
    target: slice


def _present(
    tokens: npt.NDArray[np.intp], windows: range, grid: int
) -> _Present:
    first, stop = np.searchsorted(
        tokens, [windows.start * grid, windows.stop * grid]
    )
    local = tokens[first:stop] - windows.start * grid
    return _Present(torch.from_numpy(local), slice(int(first), int(stop)))


def _resample(
    picture: torch.Tensor,
    dim: int,
    source: int,
    target: int,
    start: int,
    stop: int,
) -> torch.Tensor:
    if source == target:
        return picture.narrow(dim, start, stop - start)
    taps = bilinear_taps(source, target, start, stop)
    shape = [1, 1, 1]
    shape[dim] = stop - start
    fraction = torch.from_numpy(taps.fraction).float().reshape(shape)
    lower, upper = (
        picture.index_select(dim, torch.from_numpy(each))
        for each in (taps.lower, taps.upper)
    )
    return torch.lerp(lower, upper, fraction)
