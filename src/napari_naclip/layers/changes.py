"""Which tiles of a layer may have changed since they were last looked at."""

from __future__ import annotations

import itertools
import math
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_naclip.layers.labels import Result

    Index = tuple[int | slice, ...]

#: Tiles that come along, at most: what is copied of them takes some turns.
_SOME: Final = 64


class TileMarks:
    """Marks tiles of a result's layer as its events tell of changes.

    What is undone comes without a place: then all planes count that the
    person ever painted on, and the displayed one. Other plugins may write
    anywhere and tell of nothing but a refresh: after one some other tiles
    come along each time, all of them in turn.

    Parameters
    ----------
    result : Result
    side : int
        Rows and columns of a tile, along the last two axes.
    find_plane : callable
        Returns what selects the displayed plane; None where there is none.

    Attributes
    ----------
    changed_at : float
        ``time.monotonic()`` of the last event.
    """

    def __init__(
        self,
        result: Result,
        side: int,
        find_plane: Callable[[], Index | None],
    ) -> None:
        self._result = result
        self._side = side
        self._find_plane = find_plane
        self.changed_at = time.monotonic()
        self._marked: dict[str, None] = {}
        self._painted: dict[tuple[tuple[int, int], ...], Index] = {}
        self._was_refreshed = False
        #: The tile whose turn it is.
        self._next = 0
        events = result.labels.events
        events.paint.connect(self._on_painted)
        events.set_data.connect(self._on_refreshed)
        events.data.connect(self._on_replaced)
        result.listeners.append(self._on_written)

    def close(self) -> None:
        """Stop listening."""
        events = self._result.labels.events
        events.paint.disconnect(self._on_painted)
        events.set_data.disconnect(self._on_refreshed)
        events.data.disconnect(self._on_replaced)
        self._result.listeners.remove(self._on_written)

    @property
    def is_empty(self) -> bool:
        """Whether no tile is marked."""
        return not self._marked

    def take(self) -> tuple[str, ...]:
        """Return the marked tiles, and mark none any more."""
        if self._was_refreshed:
            self._was_refreshed = False
            self._mark_some()
        keys = tuple(self._marked)
        self._marked = {}
        return keys

    def put_back(self, keys: Iterable[str]) -> None:
        """Mark tiles again that were taken for nothing."""
        self._marked.update(dict.fromkeys(keys))

    def mark_all(self) -> None:
        """Mark all tiles."""
        self.mark((slice(None),) * len(self._shape))

    def mark(self, at: Index) -> None:
        """Mark the tiles of a block.

        Parameters
        ----------
        at : tuple of int or slice
        """
        ranges = []
        for axis, (i, length) in enumerate(zip(at, self._shape, strict=True)):
            side = self._side if axis >= len(self._shape) - 2 else 1
            first, last, _ = (
                i.indices(length) if isinstance(i, slice) else (i, i + 1, 1)
            )
            ranges.append(range(first // side, -(-last // side)))
        for place in itertools.product(*ranges):
            self._marked[','.join(map(str, place))] = None

    def _mark_some(self) -> None:
        """Mark the tiles whose turn it is."""
        counts = [
            -(-length // (self._side if axis >= len(self._shape) - 2 else 1))
            for axis, length in enumerate(self._shape)
        ]
        total = math.prod(counts)
        if not total:
            return
        for n in range(self._next, self._next + min(_SOME, total)):
            place = np.unravel_index(n % total, counts)
            self._marked[','.join(map(str, place))] = None
        self._next = (self._next + _SOME) % total

    @property
    def _shape(self) -> tuple[int, ...]:
        return tuple(self._result.labels.data.shape)

    def _on_painted(self, event: Any) -> None:
        self.changed_at = time.monotonic()
        for atom in event.value:
            at = _box_of(atom)
            if at is None:
                self.mark_all()
                return
            self.mark(at)
            # Slices cannot be keys.
            others = tuple((each.start, each.stop) for each in at[:-2])
            whole = slice(None)
            self._painted[others] = (*at[:-2], whole, whole)

    def _on_refreshed(self, _event: object = None) -> None:
        for plane in self._painted.values():
            self.mark(plane)
        shown = self._find_plane()
        if shown is not None:
            self.mark(shown)
        self._was_refreshed = True
        self.changed_at = time.monotonic()

    def _on_written(self, at: Index) -> None:
        self.mark(at)
        self.changed_at = time.monotonic()

    def _on_replaced(self, _event: object = None) -> None:
        self._painted = {}
        self.mark_all()
        self.changed_at = time.monotonic()


def _box_of(atom: Any) -> tuple[slice, ...] | None:
    """Return the block that a step of napari's history changed.

    None where that is not to be told.
    """
    at = getattr(atom, 'slice_key', None)
    if at is not None:
        return tuple(at)
    try:
        # Before napari 0.8, and of ``data_setitem``: indices of all pixels.
        return tuple(
            slice(int(np.min(axis)), int(np.max(axis)) + 1) for axis in atom[0]
        )
    except (TypeError, ValueError, IndexError):
        return None
