"""Edits that a process saved by itself and then ended without closing."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.engine.errors import InputError, OutOfMemoryError
from napari_naclip.engine.outputs import zeros
from napari_naclip.io.edit_store import (
    FORMAT,
    HEAD_NAME,
    TILE,
    hold,
    read_part,
    unpack_tile,
)
from napari_naclip.io.folders import folder_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import filelock
    import numpy.typing as npt

    from napari_naclip.io.edit_store import Tile

    Index = tuple[slice, ...]

#: Seconds after which edits that nobody asked for go.
_MAX_AGE: Final = 30 * 86_400
#: Bytes that edits of ended processes may have together.
_MAX_BYTES: Final = 2_000_000_000

_logger = logging.getLogger(__name__)


def tile_index(key: str, shape: tuple[int, ...]) -> Index:
    """Return what selects a tile in labels of a shape.

    Parameters
    ----------
    key : str
        Indices of the tile, joined by commas: single planes, then tiles
        along the last two axes.
    shape : tuple of int

    Raises
    ------
    ValueError
        If there is no such tile.
    """
    place = [int(each) for each in key.split(',')]
    sides = [1] * (len(shape) - 2) + [TILE] * 2
    index = tuple(
        slice(i * side, min((i + 1) * side, length))
        for i, side, length in zip(place, sides, shape, strict=True)
    )
    if any(each.start < 0 or each.start >= each.stop for each in index):
        raise ValueError(f'no tile {key} in {shape}')
    return index


@dataclass(frozen=True, slots=True)
class SavedEdits:
    """Edits of a result that can be restored; held until ``close``.

    Attributes
    ----------
    folder : Path
    head : dict
        What was given to ``EditWriter.commit``, with ``saved``, the time in
        seconds since 1970.
    """

    folder: Path
    head: dict[str, Any]
    _held: filelock.BaseFileLock

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the layer."""
        return tuple(int(length) for length in self.head['shape'])

    def load(self) -> Tile:
        """Return the labels, what the model had written, and was accepted.

        The last one is None where nothing was.

        Where they are larger than the budget of outputs, they are arrays on
        the disk; see ``outputs.zeros``.

        Raises
        ------
        InputError
            If they are damaged.
        OutOfMemoryError, StorageError
            If there is no room for them.
        """
        try:
            return self._load()
        except MemoryError as error:
            raise OutOfMemoryError(
                f'There is no memory for labels of the size {self.shape}. '
                'Close other programs and try again.'
            ) from error
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            IndexError,
            zlib.error,
        ) as error:
            raise InputError(
                f'The saved edits in {self.folder} are damaged: {error}. '
                'Discard them.'
            ) from error

    def _load(self) -> Tile:
        tiles = dict(self.head['tiles'])
        kinds = [
            np.result_type(
                np.uint8, *(str(place[each]) for place in tiles.values())
            )
            for each in (4, 5)
        ]
        labels, written = (zeros(self.shape, kind) for kind in kinds)
        accepted: npt.NDArray[np.bool_] | None = None
        for key, place in tiles.items():
            index = tile_index(key, self.shape)
            # A name, never a path.
            path = self.folder / str(place[0]).replace('/', '_')
            content = read_part(path, int(place[1]), int(place[2]))
            size = tuple(each.stop - each.start for each in index)
            own, model, is_accepted = unpack_tile(content, place, size)
            labels[index], written[index] = own, model
            if is_accepted is not None:
                if accepted is None:
                    accepted = zeros(self.shape, np.dtype(bool))
                accepted[index] = is_accepted
        return labels, written, accepted

    def close(self) -> None:
        """Leave them for another time."""
        self._held.release()

    def discard(self) -> None:
        """Remove them."""
        with contextlib.suppress(OSError):
            (self.folder / HEAD_NAME).unlink(missing_ok=True)
        self._held.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def find_saved(root: Path) -> list[SavedEdits]:
    """Return edits of processes that ended without closing, newest first.

    They are held from now on, so that no other process offers them too.
    What is old, empty or too much is removed.
    """
    found = sorted(
        _iter_saved(root), key=lambda each: -float(each.head['saved'])
    )
    kept: list[SavedEdits] = []
    total = 0
    for each in found:
        total += folder_size(each.folder)
        age = time.time() - float(each.head['saved'])
        if age > _MAX_AGE or (kept and total > _MAX_BYTES):
            each.discard()
        else:
            kept.append(each)
    return kept


def _iter_saved(root: Path) -> Iterator[SavedEdits]:
    try:
        folders = [each for each in root.iterdir() if each.is_dir()]
    except OSError:
        return
    for folder in folders:
        try:
            held = hold(folder)
        except (OSError, TimeoutError):
            # Its process lives, or another one is offering it.
            continue
        head = _read_head(folder)
        if head is None:
            held.release()
            _remove_broken(folder)
        else:
            yield SavedEdits(folder, head, held)


def _read_head(folder: Path) -> dict[str, Any] | None:
    try:
        head = json.loads((folder / HEAD_NAME).read_text(encoding='utf-8'))
        if head['format'] != FORMAT:
            return None
        float(head['saved'])
        tuple(int(length) for length in head['shape'])
        dict(head['tiles'])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        _logger.info('No edits in %s: %s', folder, error)
        return None
    return dict(head)


def _remove_broken(folder: Path) -> None:
    """Remove a folder without a head, once it is old enough.

    One that was made a moment ago is just being filled.
    """
    with contextlib.suppress(OSError):
        if time.time() - folder.stat().st_mtime > _MAX_AGE / 30:
            shutil.rmtree(folder, ignore_errors=True)
