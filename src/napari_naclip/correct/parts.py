"""Parts: the pixels of one label in one piece of a coarse grid.

All that is done at the image's full size is here, in strips of rows: parts
are counted, and merged ones painted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import numpy.typing as npt

    from napari_naclip.correct.grid import Grid

    Integers = npt.NDArray[np.integer[Any]]
    Floats = npt.NDArray[Any]

#: Pixels that are looked at between two looks at a cancel: some milliseconds.
_STRIP = 500_000


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Parts of an image's labels, N of them, or regions merged from them.

    Attributes
    ----------
    numbers : (P, V) int32 array
        Part of the pixels of each piece that have the v-th of the values.
    values : (65536,) intp array
        Which of the V values a label value is.
    grid_ids : (rows, columns) int32 array
        Part of each grid pixel.
    pieces : (N,) int64 array
        Piece that a part lies in; of a merged part: one of them.
    labels : (N,) int64 array
        Label value.
    areas : (N,) int64 array
        In pixels.
    centers : (N, 2) float64 array
        Mean row and column.
    confidence : (N,) float64 array
        Mean.
    """

    numbers: npt.NDArray[np.int32] = field(repr=False)
    values: npt.NDArray[np.intp] = field(repr=False)
    grid_ids: npt.NDArray[np.int32] = field(repr=False)
    pieces: npt.NDArray[np.int64] = field(repr=False)
    labels: npt.NDArray[np.int64] = field(repr=False)
    areas: npt.NDArray[np.int64] = field(repr=False)
    centers: npt.NDArray[np.float64] = field(repr=False)
    confidence: npt.NDArray[np.float64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.areas)

    def fill(self, sums: Floats, weights: Floats) -> Floats:
        """Return means of what was summed over grid pixels.

        Parameters
        ----------
        sums : (N, F) array
        weights : (N,) array
            Grid pixels, or what else was counted; 0 for parts between the
            grid's pixels, which get the mean of their piece.

        Returns
        -------
        (N, F) array
        """
        count = len(self.numbers)
        shared = np.zeros((count, sums.shape[1]), sums.dtype)
        np.add.at(shared, self.pieces, sums)
        totals = np.bincount(self.pieces, weights=weights, minlength=count)
        shared /= np.maximum(totals, 1)[:, None].astype(sums.dtype)
        means: Floats = sums / np.maximum(weights, 1)[:, None].astype(
            sums.dtype
        )
        empty = weights == 0
        means[empty] = shared[self.pieces[empty]]
        return means

    def means(self, maps: Floats) -> Floats:
        """Return the mean of (F, rows, columns) maps in each part, (N, F)."""
        ids = self.grid_ids.ravel()
        sums = np.stack(
            [
                np.bincount(ids, weights=each.ravel(), minlength=len(self))
                for each in maps
            ],
            axis=1,
        )
        return self.fill(sums, np.bincount(ids, minlength=len(self)))

    def merged(self, owners: Integers) -> Parts:
        """Return what parts become that are merged.

        Parameters
        ----------
        owners : (N,) int array
            Merged part of each part, 0 to M - 1; all of one label.
        """
        numbers = np.full_like(self.numbers, -1)
        known = self.numbers >= 0
        numbers[known] = owners[self.numbers[known]]
        _, first = np.unique(owners, return_index=True)
        areas = np.bincount(owners, weights=self.areas)
        return replace(
            self,
            numbers=numbers,
            grid_ids=owners[self.grid_ids].astype(np.int32),
            pieces=self.pieces[first],
            labels=self.labels[first],
            areas=np.rint(areas).astype(np.int64),
            centers=self.weighted(self.centers, owners),
            confidence=self.weighted(self.confidence[:, None], owners)[:, 0],
        )

    def weighted(self, values: Floats, owners: Integers) -> Floats:
        """Return means of (N, F) values over merged parts, by area."""
        totals = np.bincount(owners, weights=self.areas)
        sums = np.zeros((len(totals), values.shape[1]))
        np.add.at(sums, owners, values * self.areas[:, None])
        means: Floats = (sums / totals[:, None]).astype(values.dtype)
        return means

    def paint(
        self,
        grid: Grid,
        pieces: Integers,
        labels: npt.NDArray[np.unsignedinteger],
    ) -> Generator[float, None, npt.NDArray[np.int32]]:
        """Yield the share that is done; return each pixel's part."""
        ids = np.empty(grid.size, np.int32)
        for top, bottom in _strips(grid.size):
            ids[top:bottom] = self.numbers[
                grid.spread(pieces, top, bottom),
                self.values[np.asarray(labels[top:bottom])],
            ]
            yield bottom / grid.size[0]
        return ids


def find_parts(
    grid: Grid,
    pieces: Integers,
    labels: npt.NDArray[np.unsignedinteger],
    confidence: Floats,
) -> Generator[float, None, Parts]:
    """Yield the share that is done; return the parts of labels.

    Parameters
    ----------
    grid : Grid
    pieces : (rows, columns) int array
        Piece of each grid pixel, 0 to P - 1.
    labels : (H, W) uint8 or uint16 array
    confidence : (H, W) float array
    """
    found = yield from _find_values(grid.size, labels)
    values = np.zeros(2**16, np.intp)
    values[found] = np.arange(len(found))
    shape = int(pieces.max()) + 1, len(found)
    # Pixels, and sums of row, column and confidence.
    sums = np.zeros((4, shape[0] * shape[1]))
    across = np.arange(grid.size[1], dtype=float)
    for top, bottom in _strips(grid.size):
        keys = grid.spread(pieces, top, bottom) * len(found)
        keys += values[np.asarray(labels[top:bottom])]
        down = np.arange(top, bottom, dtype=float)[:, None]
        for total, weights in zip(
            sums, (None, down, across, confidence[top:bottom]), strict=True
        ):
            if weights is not None:
                weights = np.broadcast_to(weights, keys.shape).ravel()
            total += np.bincount(
                keys.ravel(), weights=weights, minlength=len(total)
            )
        yield bottom / grid.size[0]
    there = np.flatnonzero(sums[0])
    numbers = np.full(shape, -1, np.int32)
    numbers.ravel()[there] = np.arange(len(there))
    piece, value = np.divmod(there, len(found))
    areas, rows, columns, total = sums[:, there]
    return Parts(
        numbers=numbers,
        values=values,
        grid_ids=numbers[pieces, values[grid.sample(labels)]],
        pieces=piece,
        labels=found[value].astype(np.int64),
        areas=areas.astype(np.int64),
        centers=np.stack([rows, columns], axis=1) / areas[:, None],
        confidence=total / areas,
    )


def find_boxes(
    ids: npt.NDArray[np.int32], count: int
) -> Generator[float, None, npt.NDArray[np.int64]]:
    """Yield the share that is done; return the box of each of N ids.

    Returns
    -------
    (N, 4) int64 array
        First row and column, and those after the last.
    """
    from scipy.ndimage import find_objects

    boxes = np.zeros((count, 4), np.int64)
    boxes[:, :2] = max(ids.shape)
    for top, bottom in _strips(ids.shape):
        for index, found in enumerate(find_objects(ids[top:bottom] + 1)):
            if found is None:
                continue
            rows, columns = found
            box = boxes[index]
            box[:2] = np.minimum(box[:2], (top + rows.start, columns.start))
            box[2:] = np.maximum(box[2:], (top + rows.stop, columns.stop))
        yield bottom / ids.shape[0]
    return boxes


def _find_values(
    size: tuple[int, int], labels: npt.NDArray[np.unsignedinteger]
) -> Generator[float, None, Integers]:
    """Return the label values that pixels have, in order."""
    counts = np.zeros(2**16, np.int64)
    for top, bottom in _strips(size):
        strip = np.asarray(labels[top:bottom]).ravel()
        counts += np.bincount(strip, minlength=len(counts))
        yield bottom / size[0]
    return np.flatnonzero(counts)


def _strips(size: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    height = max(1, _STRIP // size[1])
    for top in range(0, size[0], height):
        yield top, min(top + height, size[0])
