"""An array that is read in slices, knows its chunks and counts what it gives."""

from __future__ import annotations

from typing import Any

import numpy as np


class ChunkedArray:
    """A picture that nobody may hold whole.

    Parameters
    ----------
    values : array
    chunks : (int, int), optional
        Rows and columns of its chunks.
    most : int, optional
        Pixels that may be read at once.
    broken : (int, int), optional
        A pixel whose chunk cannot be read.

    Attributes
    ----------
    reads : (rows, columns) int array
        How often each pixel was read.
    """

    def __init__(
        self,
        values: np.ndarray,
        chunks: tuple[int, int] | None = None,
        *,
        most: int | None = None,
        broken: tuple[int, int] | None = None,
    ) -> None:
        self.values = values
        self.shape = values.shape
        self.ndim = values.ndim
        self.dtype = values.dtype
        if chunks is not None:
            self.chunks = (*chunks, *values.shape[2:])
        self.most = most
        self.broken = broken
        self.reads = np.zeros(values.shape[:2], int)

    def __getitem__(self, part: Any) -> np.ndarray:
        self.reads[part] += 1
        given = self.values[part]
        pixels = given.shape[0] * given.shape[1]
        if self.most is not None and pixels > self.most:
            raise AssertionError(f'{pixels} pixels were read at once')
        if self.broken is not None:
            is_there = np.zeros(self.shape[:2], bool)
            is_there[self.broken] = True
            if is_there[part].any():
                raise OSError('bad sector.')
        return given.copy()

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise AssertionError('the whole array was asked for')
