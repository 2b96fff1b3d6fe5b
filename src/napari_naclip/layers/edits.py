"""Which pixels of a result a person edited: found, counted, given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_naclip.engine.types import Region
from napari_naclip.layers.blocks import reduce_mask
from napari_naclip.layers.checkpoint import forget_accepted
from napari_naclip.layers.placing import block_bands, layer_bands
from napari_naclip.layers.write import finish, give_back_steps

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Sequence

    import numpy.typing as npt

    from napari_naclip.layers.labels import Result

    Mask = npt.NDArray[np.bool_]
    Index = tuple[int | slice, ...]

#: Pixels that are compared at a time: about a millisecond.
_STRIP_PIXELS: Final = 1_000_000


def edited_mask(result: Result, at: Index) -> Mask:
    """Return which pixels of a block a person edited.

    Parameters
    ----------
    result : Result
    at : tuple of int or slice
        Selects the block in the layer.
    """
    own = np.asarray(result.labels.data[at])
    return np.asarray(own != np.asarray(result.written[at]))


def block_of(plane: Sequence[int | slice], region: Region) -> Index:
    """Return what selects a region of a plane in the layer.

    Parameters
    ----------
    plane : sequence of int or slice
        See ``areas.shown_plane``.
    region : Region
        Along the axes of the data.
    """
    spans = iter(region.slices)
    return tuple(next(spans) if isinstance(i, slice) else i for i in plane)


def plane_size(result: Result, plane: Sequence[int | slice]) -> Region:
    """Return the region that is a whole plane."""
    rows, columns = (
        length
        for length, i in zip(result.written.shape, plane, strict=True)
        if isinstance(i, slice)
    )
    return Region(0, 0, rows, columns)


def iter_edits(
    result: Result, plane: Sequence[int | slice], region: Region, step: int = 1
) -> Iterator[tuple[int, Mask]]:
    """Yield where a region was edited, reduced, strip by strip.

    Parameters
    ----------
    result : Result
    plane : sequence of int or slice
    region : Region
        Along the axes of the data.
    step : int
        Rows and columns that become one, set where any of them was edited.

    Yields
    ------
    int
        First row of the strip, in the reduced region.
    (rows, columns) bool array
    """
    rows, columns = region.size
    strip = max(1, _STRIP_PIXELS // columns // step) * step
    for start in range(0, rows, strip):
        part = Region(
            region.top + start,
            region.left,
            region.top + min(start + strip, rows),
            region.right,
        )
        mask = edited_mask(result, block_of(plane, part))
        yield start // step, reduce_mask(mask, step)


def forget_edits(
    result: Result,
    plane: Sequence[int | slice],
    region: Region | None = None,
    mask: Mask | None = None,
    locked: Collection[int] = frozenset(),
) -> int:
    """Do at once what ``forget_steps`` does; return what it returns."""
    return finish(forget_steps(result, plane, region, mask, locked))


def forget_steps(
    result: Result,
    plane: Sequence[int | slice],
    region: Region | None = None,
    mask: Mask | None = None,
    locked: Collection[int] = frozenset(),
) -> Generator[None, None, int]:
    """Give edited pixels back to the model; return how many.

    They get what the model says of them by now, written or not, and what was
    accepted may be written again. A checkpoint that is open remembers the
    edits, so that ``revert`` can bring them back.

    Parameters
    ----------
    result : Result
    plane : sequence of int or slice
        See ``areas.shown_plane``.
    region : Region, optional
        Along the axes of the data; all of the plane by default.
    mask : (rows, columns) bool array, optional
        Which pixels of the region; all by default.
    locked : collection of int
        Values of locked classes: edits with them, and where the model says
        them, stay.

    Yields
    ------
    None
        After each band, a millisecond or so.

    Raises
    ------
    StorageError
        If there is no room to remember them.
    """
    region = plane_size(result, plane) if region is None else region
    at = block_of(plane, region)
    for band, part in layer_bands(at, region.size, 1):
        forget_accepted(result, part, None if mask is None else mask[band])
        yield
    before = yield from _count(result, at)
    yield from give_back_steps(result, at, mask, locked)
    after = yield from _count(result, at)
    # What is painted meanwhile is not forgotten.
    return max(0, before - after)


def _count(result: Result, at: Index) -> Generator[None, None, int]:
    count = 0
    for part in block_bands(at, result.labels.data):
        count += int(np.count_nonzero(edited_mask(result, part)))
        yield
    return count


class EditCount:
    """How many pixels of one plane were edited, kept by strips.

    Only strips that may have changed are counted again, a few at a time.

    Parameters
    ----------
    result : Result
    plane : tuple of int or slice
        See ``areas.shown_plane``.
    """

    def __init__(self, result: Result, plane: Index) -> None:
        self.result = result
        self.plane = plane
        size = plane_size(result, plane)
        self._whole = size
        self._rows = max(1, _STRIP_PIXELS // 4 // max(1, size.right))
        strips = -(-size.bottom // self._rows)
        self._counts = np.zeros(strips, np.int64)
        self._is_stale = np.ones(strips, bool)

    @property
    def total(self) -> int:
        """Edited pixels, as far as they are counted."""
        return int(self._counts.sum())

    @property
    def is_done(self) -> bool:
        """Whether all are counted."""
        return not self._is_stale.any()

    def mark(self, first: int = 0, last: int | None = None) -> None:
        """Note that rows may have changed, from the first to before the last.

        Along the first axis of the plane in the data; all by default.
        """
        last = self._whole.bottom if last is None else last
        if last > first:
            self._is_stale[first // self._rows : -(-last // self._rows)] = True

    def count_on(self, strips: int = 4) -> None:
        """Count some more; about a millisecond for a few strips."""
        for strip in np.flatnonzero(self._is_stale)[:strips].tolist():
            part = Region(
                strip * self._rows,
                0,
                min((strip + 1) * self._rows, self._whole.bottom),
                self._whole.right,
            )
            at = block_of(self.plane, part)
            self._counts[strip] = np.count_nonzero(
                edited_mask(self.result, at)
            )
            self._is_stale[strip] = False
