"""A resized picture whose rows are made when they are asked for.

Bands of rows are read, mapped and resized, and the last ones are kept: as
many as a row of windows, the batch beyond it or a refined band look at. So
memory does not grow with the height of an image. A band that was let go is
made again, and must be the same then; so must what bands of other columns
share with it.
"""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_naclip.engine import outputs
from napari_naclip.engine.errors import InputError, OutOfMemoryError
from napari_naclip.engine.types import Region

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy.typing as npt

    from napari_naclip.engine.pixels import Mapping
    from napari_naclip.engine.resize import Resizing
    from napari_naclip.engine.source import Source

#: Bytes of resized rows that are kept; more where one answer needs them.
KEPT_BYTES = 32 * 2**20
#: Bytes of values that are mapped and resized at once.
_MAKE_BYTES = 4 * 2**20
#: Columns of a row that have a sum of their own: fewer than strips share.
_PIECE: Final = 64
#: Of each four bytes of a piece; odd, so that a single change always shows.
_WEIGHTS: Final = (
    np.random.default_rng(0).integers(0, 2**32, 3 * _PIECE // 4, np.uint32) | 1
)


class ResizedImage:
    """An image mapped and resized, which is read in parts like an array.

    Parameters
    ----------
    source : Source
    mapping : Mapping
    resizing : Resizing
        From the size of the source.

    Attributes
    ----------
    shape : (int, int, int)
        Rows, columns and 3.
    """

    def __init__(
        self, source: Source, mapping: Mapping, resizing: Resizing
    ) -> None:
        self.shape = resizing.rows.target, resizing.columns.target, 3
        self._source = source
        self._mapping = mapping
        self._resizing = resizing
        #: Columns that bands have; none as long as nobody wanted any.
        self._columns = range(0)
        self._starts: list[int] = []
        #: The last one used comes last.
        self._bands: dict[int, npt.NDArray[np.uint8]] = {}
        self._digests: dict[int, bytes] = {}
        #: Bands are others for other columns.
        self._all_digests: dict[range, dict[int, bytes]] = {}
        #: Of each row's pieces, whatever the columns; 0: not seen yet.
        self._sums = outputs.zeros(
            (self.shape[0], self.shape[1] // _PIECE), np.uint32
        )
        #: The last source rows that were read.
        self._tail: tuple[Region, npt.NDArray[np.generic]] | None = None

    def widen(self, left: int, right: int) -> None:
        """Say which columns will be asked for, so that they are read once."""
        columns = self._columns
        if columns:
            if columns.start <= left and right <= columns.stop:
                return
            left, right = min(left, columns.start), max(right, columns.stop)
        self.take_only(left, right)

    def take_only(self, left: int, right: int) -> None:
        """Say that from now on only these columns will be asked for.

        Others may be all the same; then more is read.
        """
        if self._columns == range(left, right):
            return
        self._columns = range(left, right)
        self._bands.clear()
        self._tail = None
        self._starts = self._divide(self._columns)
        self._digests = self._all_digests.setdefault(self._columns, {})

    def __getitem__(self, part: tuple[slice, slice]) -> npt.NDArray[np.uint8]:
        """Return rows and columns, (rows, columns, 3).

        Raises
        ------
        InputError
            If the image cannot be read, or is not what it was before.
        OutOfMemoryError
            If there is no memory for a band.
        """
        (top, bottom, _), (left, right, _) = (
            each.indices(length)
            for each, length in zip(part, self.shape, strict=False)
        )
        self.widen(left, right)
        starts = self._starts
        first = int(np.searchsorted(starts, top, side='right')) - 1
        stop = int(np.searchsorted(starts, bottom, side='left'))
        bands = range(first, max(stop, first + 1))
        found = [self._band(index) for index in bands]
        self._forget(sum(band.nbytes for band in found))
        shift = self._columns.start
        place = slice(left - shift, right - shift)
        return np.concatenate(
            [
                band[max(0, top - starts[i]) : bottom - starts[i], place]
                for i, band in zip(bands, found, strict=True)
            ]
        )

    def is_unchanged(self) -> Generator[None, None, bool]:
        """Yield after each band; return whether all would be made the same.

        Those that were made once are made again, and forgotten.

        Raises
        ------
        InputError
            If the image cannot be read.
        OutOfMemoryError
            If there is no memory for a band.
        """
        again = copy.copy(self)
        # Its own: bands that are kept here stay, for as long as they are so.
        again._columns, again._bands = range(0), {}
        for columns, digests in list(self._all_digests.items()):
            again.take_only(columns.start, columns.stop)
            for index, digest in sorted(digests.items()):
                if _digest(again._make(index)) != digest:
                    return False
                yield
        # Rows of the source may be others that look the same.
        self._tail = None
        return True

    def _divide(self, columns: range) -> list[int]:
        """Return the first row of each band: they end where chunks do."""
        rows = self._resizing.rows
        left, right = self._source_columns(columns)
        enlargement = rows.target / rows.source
        spans = self._source.row_spans(
            max(
                self._source.pixel_bytes * (right - left),
                3 * len(columns) * enlargement,
            )
        )
        ends = rows.needed(0, rows.target)[1]
        stops = np.searchsorted(ends, [stop for _, stop in spans], 'right')
        return sorted({0, *stops.tolist()} - {rows.target})

    def _source_columns(self, columns: range) -> tuple[int, int]:
        first, end = self._resizing.columns.needed(columns.start, columns.stop)
        return int(first[0]), int(end[-1])

    def _band(self, index: int) -> npt.NDArray[np.uint8]:
        band = self._bands.pop(index, None)
        if band is None:
            band = self._make(index)
            digest = _digest(band)
            is_same = self._digests.setdefault(index, digest) == digest
            if not (self._fits(index, band) and is_same):
                raise InputError(
                    'The image has changed while it was looked at. Run again '
                    'when it stays as it is.'
                )
        self._bands[index] = band
        return band

    def _fits(self, index: int, band: npt.NDArray[np.uint8]) -> bool:
        """Return whether a band is what bands of other columns were."""
        columns, top = self._columns, self._starts[index]
        first, stop = -(-columns.start // _PIECE), columns.stop // _PIECE
        if first >= stop:
            return True
        shift = columns.start
        part = band[:, first * _PIECE - shift : stop * _PIECE - shift]
        lines = np.ascontiguousarray(part).reshape(len(band), -1)
        words = lines.view(np.uint32).reshape(len(band), stop - first, -1)
        sums = np.einsum('ijk,k->ij', words, _WEIGHTS)
        # 0 tells that nothing was seen.
        np.maximum(sums, 1, out=sums)
        place = slice(top, top + len(band)), slice(first, stop)
        known = np.asarray(self._sums[place])
        if np.any((known != 0) & (known != sums)):
            return False
        self._sums[place] = sums
        return True

    def _forget(self, needed: int) -> None:
        """Let go of bands beyond what is kept, the longest unused first."""
        # Windows beneath each other come from the same bands, and a batch
        # may reach into the next rows of windows.
        most = max(KEPT_BYTES, 2 * needed)
        total = sum(band.nbytes for band in self._bands.values())
        for index in list(self._bands):
            if total <= most:
                break
            total -= self._bands.pop(index).nbytes

    def _make(self, index: int) -> npt.NDArray[np.uint8]:
        try:
            return self._resize(index)
        except MemoryError as error:
            rows, columns, _ = self.shape
            raise OutOfMemoryError(
                f'There is not enough memory to see the image at {rows} x '
                f'{columns} pixels. Lower the detail, or raise the '
                'reduction.'
            ) from error

    def _resize(self, index: int) -> npt.NDArray[np.uint8]:
        columns, rows = self._columns, self._resizing.rows
        edges = [*self._starts, rows.target]
        start, stop = edges[index], edges[index + 1]
        firsts, ends = rows.needed(start, stop)
        left, right = self._source_columns(columns)
        top = int(firsts[0])
        raw = self._read(Region(top, left, int(ends[-1]), right))

        def take(lines: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
            return self._mapping(raw[lines - top])

        band = np.empty((stop - start, len(columns), 3), np.uint8)
        step = max(1, _MAKE_BYTES // (12 * max(right - left, len(columns))))
        for low in range(start, stop, step):
            high = min(low + step, stop)
            band[low - start : high - start] = self._resizing.make(
                take, (low, high), (columns.start, columns.stop), left
            )
        return band

    def _read(self, area: Region) -> npt.NDArray[np.generic]:
        """Return rows of the source, reading no row twice in a row."""
        known = self._tail
        raw: npt.NDArray[np.generic]
        if known is not None and (
            known[0].top <= area.top < known[0].bottom < area.bottom
        ):
            new = Region(known[0].bottom, area.left, area.bottom, area.right)
            raw = np.concatenate(
                [known[1][area.top - known[0].top :], self._source.read(new)]
            )
        else:
            raw = self._source.read(area)
        # Bands share the rows on which two pixels of the result lie.
        rows = self._resizing.rows
        count = min(area.size[0], 2 + 2 * rows.source // rows.target)
        tail = Region(area.bottom - count, area.left, area.bottom, area.right)
        self._tail = tail, raw[-count:].copy()
        return raw


def _digest(band: npt.NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(band.data, digest_size=16).digest()
