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
    OFFERED_NAME,
    TILE,
    hold,
    read_part,
    unpack_tile,
    unpack_under,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import filelock
    import numpy.typing as npt

    from napari_naclip.io.edit_store import Tile

    Index = tuple[slice, ...]

#: Seconds after which edits go that were offered and that nobody wanted.
_MAX_AGE: Final = 30 * 86_400
#: Bytes of all saved edits from which on a person should know of them.
MANY_BYTES: Final = 2_000_000_000

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
        with self._told():
            return self._load()

    def load_under(self, written: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        """Return what the model says where it must not write, plus 1.

        None where that is what it wrote; raises as ``load`` does.

        Parameters
        ----------
        written : array
            What the model had written, which has room for it.
        """
        with self._told():
            # Older files know of none.
            tiles = dict(self.head.get('under') or {})
            if not tiles:
                return None
            most = int(np.iinfo(written.dtype).max) + 1
            under = zeros(self.shape, np.dtype(np.uint32))
            for key, place in tiles.items():
                index, size, content = self._read(key, place)
                found = unpack_under(content, place, size)
                if found.max() > most:
                    raise ValueError(f'notes of no {written.dtype}')
                under[index] = found
            return under

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what goes wrong into what can be told."""
        try:
            yield
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
            index, size, content = self._read(key, place)
            own, model, is_accepted = unpack_tile(content, place, size)
            labels[index], written[index] = own, model
            if is_accepted is not None:
                if accepted is None:
                    accepted = zeros(self.shape, np.dtype(bool))
                accepted[index] = is_accepted
        return labels, written, accepted

    def _read(
        self, key: str, place: list[Any]
    ) -> tuple[Index, tuple[int, ...], bytes]:
        """Return what selects a tile, its shape, and what is saved of it."""
        index = tile_index(key, self.shape)
        # A name, never a path.
        path = self.folder / str(place[0]).replace('/', '_')
        content = read_part(path, int(place[1]), int(place[2]))
        return (
            index,
            tuple(each.stop - each.start for each in index),
            content,
        )

    def mark_offered(self) -> None:
        """Note that a person has seen the offer, unless that is known."""
        # Where the disk is full they stay for longer, no more.
        with contextlib.suppress(OSError):
            (self.folder / OFFERED_NAME).touch(mode=0o600, exist_ok=False)

    def is_old(self) -> bool:
        """Return whether they were offered for long and nobody took them."""
        try:
            since = (self.folder / OFFERED_NAME).stat().st_mtime
        except OSError:
            # Nobody knows of them yet, however old they are.
            return False
        return time.time() - since > _MAX_AGE

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
    What was offered for long, or holds nothing, is removed; what another
    version saved is left to it.
    """
    found = sorted(
        _iter_saved(root), key=lambda each: -float(each.head['saved'])
    )
    kept: list[SavedEdits] = []
    for each in found:
        if each.is_old():
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
        # It is shown as a time.
        time.localtime(float(head['saved']))
        dict(head.get('layer', {}))
        tuple(int(length) for length in head['shape'])
        dict(head['tiles'])
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:
        _logger.info('No edits in %s: %s', folder, error)
        return None
    return dict(head)


def _remove_broken(folder: Path) -> None:
    """Remove a folder without a head, once it is old enough.

    One that was made a moment ago is just being filled. One with a head that
    is not understood may be understood by another version.
    """
    with contextlib.suppress(OSError):
        if (folder / HEAD_NAME).exists():
            return
        if time.time() - folder.stat().st_mtime > _MAX_AGE / 30:
            shutil.rmtree(folder, ignore_errors=True)
