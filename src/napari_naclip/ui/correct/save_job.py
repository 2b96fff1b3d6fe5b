"""Finds and copies what is to be saved of one result.

As long as there is no edit, tiles are only compared. With the first edit all
of the layer is needed, once, and then each tile that changes. Not much of it
is in memory at a time: the next copies wait until the thread has compressed
those before.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.io.edit_store import (
    TILE,
    UNDER_KEY,
    EditWriter,
    under_tile,
)
from napari_naclip.io.edit_thread import EDIT_THREAD
from napari_naclip.io.folders import edits_folder
from napari_naclip.io.layer_files import describe_layer
from napari_naclip.io.saved_edits import tile_index
from napari_naclip.layers.areas import shown_plane
from napari_naclip.layers.changes import TileMarks
from napari_naclip.layers.written import saved_at

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.components import ViewerModel

    from napari_naclip.io.edit_store import Tile
    from napari_naclip.layers.labels import Result

    Mask = npt.NDArray[np.bool_]

#: Bytes of copies that the thread gets at a time.
_BATCH: Final = 16_000_000


class SaveJob:
    """Saves one result; it does not hold the viewer.

    Parameters
    ----------
    result : Result
    viewer : napari.components.ViewerModel

    Attributes
    ----------
    marks : TileMarks
        Which tiles may have changed.
    outcomes : list
        What the thread has done: None when all of it is saved, or what went
        wrong.
    is_busy : bool
        Whether the thread is at work for it.
    """

    def __init__(self, result: Result, viewer: ViewerModel) -> None:
        self.result = result
        seen = weakref.ref(viewer)

        def find_plane() -> tuple[int | slice, ...] | None:
            viewer = seen()
            if viewer is None:
                return None
            return shown_plane(result.labels, viewer)

        self.marks = TileMarks(result, TILE, find_plane)
        # It may have edits already.
        self.marks.mark_all()
        self.outcomes: list[Exception | None] = []
        self.is_busy = False
        self._writer: EditWriter | None = None
        # What jobs before it saved; needed until this one has saved.
        self._older: list[EditWriter] = []
        # Something is to be saved, even if no tile changes any more.
        self._is_wanted = False
        self._keys: list[str] = []
        self._tiles: dict[str, Tile] = {}
        self._handed: tuple[str, ...] = ()
        self._room = _BATCH

    def take_over(self, other: SaveJob) -> None:
        """Go on for a job of the same layer, which then has nothing.

        What it saved stays until there is something newer in its place.
        """
        self._older += other._older
        other._older = []
        writer, other._writer = other._writer, None
        if writer is None:
            return
        if other.result.written.shape == self.result.written.shape:
            self._writer, self._is_wanted = writer, True
        else:
            self._older.append(writer)

    def begin(self) -> bool:
        """Take the tiles that have changed; return whether to go on."""
        result = self.result
        if self.is_busy:
            return False
        if saved_at(result) > self.marks.changed_at:
            self.remove()
            return False
        if (self.marks.is_empty and not self._is_wanted) or tuple(
            result.labels.data.shape
        ) != result.written.shape:
            return False
        self._keys = list(self.marks.take())
        return True

    def step(self) -> bool:
        """Look at a tile; return whether it was the last.

        Raises
        ------
        StorageError
            If there is no folder to save in.
        """
        if self._writer is None:
            return self._compare_one()
        if self._keys:
            self._copy_one(self._keys[-1])
            # Only now: a copy may fail.
            self._keys.pop()
            if self._room <= 0:
                self._hand_over(self._writer, is_last=False)
            return False
        self._hand_over(self._writer, is_last=True)
        return True

    def _compare_one(self) -> bool:
        """Look for a first edit: others the model could make again."""
        if not self._is_wanted:
            if not self._keys:
                self._remove_older()
                return True
            at = self._find(self._keys[-1])
            self._is_wanted = at is not None and (
                not np.array_equal(
                    self.result.labels.data[at], self.result.written[at]
                )
                or self._accepted(at) is not None
            )
            self._keys.pop()
        if self._is_wanted:
            # Before it is copied: there may be no place for it.
            self._writer = EditWriter(edits_folder())
            self.marks.mark_all()
            self._keys = list(self.marks.take())
        return False

    def _copy_one(self, key: str) -> None:
        at = self._find(key)
        if at is None:
            return
        labels = np.array(self.result.labels.data[at])
        written = np.asarray(self.result.written[at])
        if labels.dtype == written.dtype and np.array_equal(labels, written):
            written = labels
        else:
            written = written.copy()
            self._room -= written.nbytes
        self._room -= labels.nbytes
        self._tiles[key] = (labels, written, self._accepted(at))
        under = self.result.under
        noted = under_tile(None if under is None else np.asarray(under[at]))
        self._tiles[UNDER_KEY + key] = noted
        self._room -= noted[0].nbytes

    def _accepted(self, at: tuple[int | slice, ...]) -> Mask | None:
        """Return a copy of what was accepted of a tile; None: nothing."""
        accepted = self.result.accepted
        if accepted is None:
            return None
        block = np.array(accepted[at])
        return block if block.any() else None

    def _find(self, key: str) -> tuple[int | slice, ...] | None:
        """Return where a tile is; None: the layer has got other data since."""
        try:
            return tile_index(key, self.result.written.shape)
        except ValueError:
            return None

    def _hand_over(self, writer: EditWriter, *, is_last: bool) -> None:
        """Give the copies to the thread; with the last ones all is saved."""
        result = self.result
        tiles, self._tiles = self._tiles, {}
        self._handed, self._room = tuple(tiles), _BATCH
        self.is_busy = True
        if not is_last:
            EDIT_THREAD.take(writer, tiles, self._finish_batch)
            return
        self._is_wanted = False
        image: Any = result.image
        data = None if image is None else image.data
        head = {
            'shape': list(result.written.shape),
            'layer': describe_layer(result.labels.as_layer_data_tuple()[1]),
        }
        EDIT_THREAD.save(
            writer,
            tiles,
            head,
            data[0] if data is not None and image.multiscale else data,
            self._finish,
        )

    def _finish_batch(self, failure: Exception | None) -> None:
        """Go on after a batch; called in the thread."""
        if failure is not None:
            self.outcomes.append(failure)
        self.is_busy = False

    def _finish(self, failure: Exception | None) -> None:
        """Take what the thread has done; called there."""
        self.outcomes.append(failure)
        if failure is None:
            self._remove_older()
        self.is_busy = False

    def _remove_older(self) -> None:
        older, self._older = self._older, []
        for writer in older:
            EDIT_THREAD.remove(writer)

    def repeat(self) -> None:
        """Have again, the next time, what could not be copied or saved."""
        keys = (*self._handed, *self._tiles, *self._keys)
        self.marks.put_back(each.removeprefix(UNDER_KEY) for each in keys)
        self._keys, self._tiles, self._room = [], {}, _BATCH
        self._is_wanted = self._is_wanted or self._writer is not None

    def remove(self) -> None:
        """Remove what was saved: it is not needed any more."""
        writer, self._writer = self._writer, None
        if writer is not None or self._is_wanted:
            # All of it, when there is something to save again.
            self.marks.mark_all()
        self._is_wanted = False
        self._remove_older()
        if writer is not None:
            EDIT_THREAD.remove(writer)
