"""An image that is read in parts: in memory, on a disk, or yet to be computed.

Anything with a shape, a dtype and slices is read by slices: NumPy arrays and
memory maps, dask, zarr, xarray, planes of layers. What is read at once follows
the array's own chunks, so that each is fetched about once in a pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.engine.errors import (
    InputError,
    NaclipError,
    OutOfMemoryError,
)
from napari_naclip.engine.types import Region

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

#: Bytes that are read at once, about; more where chunks are larger.
READ_BYTES = 4 * 2**20
#: Bytes beyond which a chunk is read in pieces: what read it once for each
#: piece is slow, but what holds it whole may be too large.
LARGEST_READ_BYTES = 64 * 2**20


class Source:
    """The pixels of an image, read when they are asked for.

    Parameters
    ----------
    image : array_like or Source
        Of any shape and dtype; see ``check``.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    """

    def __init__(self, image: Any) -> None:
        self._image: Any
        if isinstance(image, Source):
            image = image._image
        dtype = _dtype_of(image)
        if dtype is None:
            image = np.asarray(image)
            dtype = image.dtype
        self._image = image
        self.shape = tuple(int(length) for length in image.shape)
        self.dtype: np.dtype[Any] = dtype

    def check(self) -> None:
        """Raise ``InputError`` if this is no picture of real numbers."""
        shape = self.shape
        if len(shape) not in (2, 3) or (
            len(shape) == 3 and shape[2] not in (3, 4)
        ):
            raise InputError(
                f'The image has the shape {shape}; a grey image (rows, '
                'columns) or a color image (rows, columns, 3 or 4) is needed. '
                'Choose one plane or channel.'
            )
        if shape[0] * shape[1] < 2:
            raise InputError(
                f'The image has {shape[0]} x {shape[1]} pixels; '
                'there is nothing to tell apart. Choose a larger one.'
            )
        if self.dtype.kind not in 'buif':
            raise InputError(
                f'The image has the dtype {self.dtype}; real numbers are '
                'needed. Convert it first, for example to its magnitude.'
            )

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.shape[0], self.shape[1]

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel."""
        channels = self.shape[2] if len(self.shape) == 3 else 1
        return channels * self.dtype.itemsize

    def read(self, area: Region) -> npt.NDArray[Any]:
        """Return the (rows, columns) or (rows, columns, 3 or 4) values.

        Raises
        ------
        InputError
            If they cannot be read: the text says which, and why.
        OutOfMemoryError
            If there is no memory for them.
        """
        try:
            return np.asarray(self._image[area.slices])
        except NaclipError:
            raise
        except MemoryError as error:
            raise OutOfMemoryError(
                f'There is not enough memory to read {_name(area)}. Close '
                'other programs, or store the image in smaller chunks.'
            ) from error
        except Exception as error:  # what a foreign array may raise
            reason = str(error).strip() or type(error).__name__
            raise InputError(
                f'{_name(area).capitalize()} cannot be read: '
                f'{reason.rstrip(".")}. Check where the image comes from, '
                'then run again.'
            ) from error

    def row_spans(
        self, row_bytes: float, start: int = 0, stop: int | None = None
    ) -> list[tuple[int, int]]:
        """Return spans of rows that are read together, in order.

        Parameters
        ----------
        row_bytes : float
            What a row takes.
        """
        return self._spans(0, row_bytes, start, stop)

    def parts(self, area: Region) -> Iterator[Region]:
        """Yield parts of an area of about ``READ_BYTES``, row by row."""
        tallest = max(
            chunk_lengths(self._image, 0, area.top, area.bottom), default=1
        )
        columns = self._spans(
            1,
            self.pixel_bytes * tallest,
            area.left,
            area.right,
        )
        width = max(right - left for left, right in columns)
        rows = self._spans(0, self.pixel_bytes * width, area.top, area.bottom)
        for top, bottom in rows:
            for left, right in columns:
                yield Region(top, left, bottom, right)

    def _spans(
        self, axis: int, line_bytes: float, start: int, stop: int | None
    ) -> list[tuple[int, int]]:
        stop = self.shape[axis] if stop is None else stop
        usual = max(1, int(READ_BYTES // line_bytes))
        largest = max(1, int(LARGEST_READ_BYTES // line_bytes))
        lengths = chunk_lengths(self._image, axis, start, stop)
        if not lengths:
            lengths, largest = (stop - start,), usual
        return _group(start, lengths, usual, largest)


def chunk_lengths(
    image: Any, axis: int, start: int, stop: int
) -> tuple[int, ...]:
    """Return the lengths of an array's chunks within a span of an axis.

    Parameters
    ----------
    image : array-like
        As zarr, or as dask and xarray have them; of any number of axes.
    start, stop : int
        The span; it may begin and end within a chunk.

    Returns
    -------
    tuple of int
        Together as long as the span; empty where nothing is known.
    """
    # A shard is what zarr reads where it has any.
    for name in ('shards', 'chunks'):
        chunks = getattr(image, name, None)
        if not isinstance(chunks, tuple) or len(chunks) <= axis:
            continue
        length, each = image.shape[axis], chunks[axis]
        if isinstance(each, tuple):
            edges = np.cumsum(each)
            if not each or edges[-1] != length:
                continue
        else:
            edges = np.arange(each, length + each, each)
        inside = edges[(edges > start) & (edges < stop)]
        lengths = np.diff([start, *inside.tolist(), stop])
        return tuple(int(each) for each in lengths)
    return ()


def _dtype_of(image: Any) -> np.dtype[Any] | None:
    """Return the dtype of what can be read in slices; None: it cannot."""
    if not hasattr(image, 'shape') or not hasattr(image, '__getitem__'):
        return None
    dtype = getattr(image, 'dtype', None)
    # TensorStore has its own.
    dtype = getattr(dtype, 'numpy_dtype', dtype)
    return dtype if isinstance(dtype, np.dtype) else None


def _name(area: Region) -> str:
    return (
        f'rows {area.top} to {area.bottom - 1}, columns {area.left} to '
        f'{area.right - 1} of the image'
    )


def _group(
    start: int, lengths: tuple[int, ...], usual: int, largest: int
) -> list[tuple[int, int]]:
    """Return spans that end where chunks do.

    Parameters
    ----------
    start : int
        Where the first chunk begins.
    lengths : tuple of int
        Of the chunks.
    usual, largest : int
        Chunks are put together up to the former, and cut beyond the latter.
    """
    spans: list[tuple[int, int]] = []
    before = start
    for length in lengths:
        edge = before + length
        if edge - start > usual and before > start:
            spans.append((start, before))
            start = before
        while edge - start > largest:
            spans.append((start, start + largest))
            start += largest
        before = edge
    if before > start:
        spans.append((start, before))
    return spans
