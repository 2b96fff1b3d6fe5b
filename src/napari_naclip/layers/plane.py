"""A plane of an array of many axes, which is read in slices like an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.engine.source import chunk_lengths

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Index = tuple[int | slice, ...]


class LazyPlane:
    """Rows and columns of an array, or of what is made of several.

    Parameters
    ----------
    data : array-like
        Its chunks are those of the plane.
    index : tuple of int or slice
        Two slices for the axes of the plane, in the array's order.
    is_transposed : bool
        Whether columns come before rows in the array.
    read : callable, optional
        Returns the pixels of an index; by default those of `data`.
    colors : tuple of int, optional
        Length of an axis of colors, if there is one; by default what `data`
        has after its index.
    dtype : numpy.dtype, optional
        Of what is read; by default that of `data`.

    Attributes
    ----------
    shape : tuple of int
        (H, W), (H, W, 3) or (H, W, 4).
    dtype : numpy.dtype
    chunks : tuple of tuple of int
        Where anything is known of them.
    """

    def __init__(
        self,
        data: Any,
        index: Index,
        *,
        is_transposed: bool = False,
        read: Callable[[Index], npt.NDArray[Any]] | None = None,
        colors: tuple[int, ...] | None = None,
        dtype: Any = None,
    ) -> None:
        self._data = data
        self._index = index
        self._is_transposed = is_transposed
        self._read = read
        axes = [i for i, each in enumerate(index) if isinstance(each, slice)]
        self._spans = [
            each.indices(data.shape[axis])[:2]
            for axis, each in enumerate(index)
            if isinstance(each, slice)
        ]
        lengths = [max(0, stop - start) for start, stop in self._spans]
        chunks = [
            chunk_lengths(data, axis, *span)
            for axis, span in zip(axes, self._spans, strict=True)
        ]
        if is_transposed:
            lengths, chunks = lengths[::-1], chunks[::-1]
        if colors is None:
            colors = tuple(data.shape[len(index) :])
        self.shape = (*lengths, *colors)
        self.dtype = np.dtype(getattr(data, 'dtype', float))
        if dtype is not None:
            self.dtype = np.dtype(dtype)
        self.chunks = tuple(chunks) if all(chunks) else ()

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    def __getitem__(self, part: tuple[slice, slice]) -> npt.NDArray[Any]:
        """Return rows and columns as displayed."""
        wanted = [
            each.indices(length)[:2]
            for each, length in zip(part, self.shape, strict=False)
        ]
        if self._is_transposed:
            wanted.reverse()
        places = iter(
            slice(start + low, start + high)
            for (start, _), (low, high) in zip(
                self._spans, wanted, strict=True
            )
        )
        index = tuple(
            next(places) if isinstance(i, slice) else i for i in self._index
        )
        pixels: npt.NDArray[Any]
        if self._read is None:
            pixels = np.asarray(self._data[index])
        else:
            pixels = self._read(index)
        return pixels.swapaxes(0, 1) if self._is_transposed else pixels

    def __array__(
        self, dtype: Any = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """Return all of it, for those who can hold that."""
        whole = self[:, :]
        return np.array(whole, dtype) if copy else np.asarray(whole, dtype)
