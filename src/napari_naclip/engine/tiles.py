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

from napari_naclip.engine.resample import token_block
from napari_naclip.engine.types import Region

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_naclip.engine.features import Features
    from napari_naclip.engine.windows import WindowPart

#: Side of a tile in pixels of the image: its maps stay in the cache.
TILE = 128
#: Queries whose scores are computed together; missing ones are zeros.
QUERY_BLOCK = 16


class TokenScores:
    """Cosines of tokens with queries, a row of windows at a time.

    Parameters
    ----------
    features : Features
        The windows of a row must be there when the row is asked for.
    queries : (Q, D) float32 Tensor
        Unit query embeddings.
    part : WindowPart, optional
        Of the features' part; None: all of it.

    Attributes
    ----------
    queries : int
        Q.
    """

    def __init__(
        self,
        features: Features,
        queries: torch.Tensor,
        part: WindowPart | None = None,
    ) -> None:
        self.queries = len(queries)
        count = -(-self.queries // QUERY_BLOCK)
        padded = queries.new_zeros(count * QUERY_BLOCK, queries.shape[1])
        padded[: self.queries] = queries
        self._blocks = [
            block.T.contiguous() for block in padded.split(QUERY_BLOCK)
        ]
        self._features = features
        self._part = features.part if part is None else part
        self._rows: dict[int, torch.Tensor] = {}
        self._last: tuple[range, torch.Tensor] | None = None

    def rows(self, windows: range) -> torch.Tensor:
        """Return the scores of rows of windows, laid out as these lie.

        Parameters
        ----------
        windows : range
            Rows of the lattice, all in the part.

        Returns
        -------
        (B, len(windows) * rows, len(part.columns) * columns) float32 Tensor
            The token grids of the windows side by side. B is Q rounded up to
            whole blocks.
        """
        if self._last is None or self._last[0] != windows:
            rows = [self._row(index) for index in windows]
            self._last = windows, torch.cat(rows, dim=1)
        return self._last[1]

    def release(self, stop: int) -> None:
        """Forget the rows of windows before one."""
        for index in [index for index in self._rows if index < stop]:
            del self._rows[index]

    def _row(self, index: int) -> torch.Tensor:
        if index not in self._rows:
            self._rows[index] = self._score_row(index)
        return self._rows[index]

    def _score_row(self, row: int) -> torch.Tensor:
        tokens_of = self._features.tokens
        rows, columns, size = tokens_of.shape
        count = len(self._part.columns)
        values = torch.empty(
            len(self._blocks) * QUERY_BLOCK, rows, count * columns
        )
        # Window by window, from one place in memory: any other shape or
        # alignment may end in other last bits.
        window = torch.empty(rows * columns, size)
        windows = self._features.windows(range(row, row + 1), self._part)
        for column, index in enumerate(windows):
            tokens = tokens_of.get(index)
            window.copy_(tokens.reshape(window.shape))
            place = values[:, :, column * columns : (column + 1) * columns]
            for target, block in zip(
                place.split(QUERY_BLOCK), self._blocks, strict=True
            ):
                target.copy_((window @ block).T.unflatten(1, (rows, columns)))
        return values


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

    def release(self, stop: int) -> None:
        """Forget the tiles before one."""
        for index in [index for index in self._tiles if index < stop]:
            del self._tiles[index]

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

    Parameters
    ----------
    features : Features
    part : WindowPart, optional
        Of the features' part; None: all of it.

    Attributes
    ----------
    rows, columns : Axis
        The tiles of the whole image.
    part : WindowPart
    """

    def __init__(
        self, features: Features, part: WindowPart | None = None
    ) -> None:
        plan = features.plan
        self._grid = features.grid
        self.part = features.part if part is None else part
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

    def touching(self, area: Region) -> tuple[range, range]:
        """Return the rows and columns of tiles that hold any of an area."""
        return (
            self.rows.touching(area.top, area.bottom),
            self.columns.touching(area.left, area.right),
        )

    def windows(self, row: AxisTile) -> range:
        """Return the rows of windows, of those run, that a tile needs."""
        part = self.part.rows
        return range(
            max(row.windows.start, part.start),
            min(row.windows.stop, part.stop),
        )

    def tile(
        self, scores: TokenScores, row: AxisTile, column: AxisTile
    ) -> torch.Tensor:
        """Return the (Q, rows, columns) float32 maps of a tile."""
        rows = self.windows(row)
        down = _present(row.tokens, rows, self._grid[0])
        across = _present(column.tokens, self.part.columns, self._grid[1])
        # Cut before it is gathered: else time would grow with width squared.
        low, high = int(across.source[0]), int(across.source[-1]) + 1
        gathered = scores.rows(rows)[:, :, low:high]
        gathered = gathered[:, down.source][:, :, across.source - low]
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
        down, across = self.touching(area)
        row, column = self.rows.tile(down[0]), self.columns.tile(across[0])
        if area == Region(row.start, column.start, row.stop, column.stop):
            # No copy: those of many classes are large.
            return self.tile(scores, row, column)
        maps = torch.empty(scores.queries, *area.size)
        for i in down:
            row = self.rows.tile(i)
            inner_rows, rows = row.overlap(area.top, area.bottom)
            for j in across:
                column = self.columns.tile(j)
                inner, columns = column.overlap(area.left, area.right)
                maps[:, rows, columns] = self.tile(scores, row, column)[
                    :, inner_rows, inner
                ]
        return maps


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
