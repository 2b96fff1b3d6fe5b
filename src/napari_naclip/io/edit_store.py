"""Edited labels that are saved by themselves, tile by tile.

Each result has a folder of its own, which its process holds:

- ``edits.json``: what the labels are of, and where each tile lies. It is
  replaced as a whole, so that it always tells of one moment.
- ``NUMBER.tiles``: compressed tiles, those that changed before one save. A
  file without a tile that is still used goes; so does what is little used,
  after its tiles were copied.
- ``held``: the lock.
- ``offered``: empty, made when they were first offered to a person.

No path of the image is kept: it is known again by its size and by some of
its pixels.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import shutil
import time
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.engine.errors import StorageError
from napari_naclip.io.atomic import write_atomically
from napari_naclip.io.known_image import KnownImage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import filelock
    import numpy.typing as npt

    #: Labels, what the model wrote, and what was accepted, if anything.
    Tile = tuple[
        npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.bool_] | None
    ]

#: What the file says it is.
FORMAT: Final = 'napari-naclip edits, version 1'
#: What the key of a tile begins with that tells what the model says where it
#: must not write. The head has them apart: all else can be read without.
UNDER_KEY: Final = 'under '
#: Names in each folder.
HEAD_NAME: Final = 'edits.json'
LOCK_NAME: Final = 'held'
OFFERED_NAME: Final = 'offered'
#: Rows and columns of a tile: the last two axes of a layer.
TILE: Final = 512
#: Bytes below which files are not worth being made smaller.
_LITTLE: Final = 1_000_000


@dataclass(slots=True)
class _Place:
    """Where a tile lies, and what it is."""

    file: str
    offset: int
    size: int
    digest: str
    labels_dtype: str
    written_dtype: str
    has_accepted: bool

    def to_list(self) -> list[Any]:
        """Return all of it as plain data."""
        return [
            self.file,
            self.offset,
            self.size,
            self.digest,
            self.labels_dtype,
            self.written_dtype,
            self.has_accepted,
        ]


@dataclass(slots=True)
class EditWriter:
    """Saves the edits of one result; used by one thread at a time.

    Parameters
    ----------
    root : Path
        Where the folders of all results are.

    Attributes
    ----------
    folder : Path
        Its own.
    image : KnownImage
        Describes the image of the result.

    Raises
    ------
    StorageError
        If no folder can be made.
    """

    root: Path
    folder: Path = field(init=False)
    image: KnownImage = field(default_factory=KnownImage, repr=False)
    _held: filelock.BaseFileLock = field(init=False, repr=False)
    _places: dict[str, _Place] = field(default_factory=dict, repr=False)
    _waiting: dict[str, tuple[_Place, bytes]] = field(
        default_factory=dict, repr=False
    )
    _number: int = 0

    def __post_init__(self) -> None:
        """Make the folder and hold it."""
        self.folder = self.root / secrets.token_hex(8)
        try:
            self.folder.mkdir(mode=0o700, parents=True)
            self._held = hold(self.folder)
        except (OSError, TimeoutError) as error:
            reason = getattr(error, 'strerror', None) or error
            raise StorageError(
                f'Edits cannot be saved by themselves in {self.root}: '
                f'{reason}. Save the layer now and then.'
            ) from error

    def take(self, tiles: Mapping[str, Tile]) -> None:
        """Compress tiles for the next ``commit``.

        Parameters
        ----------
        tiles : mapping
            Labels, what the model wrote, and which of them were accepted or
            None, by the tile's place: its indices, joined by commas. Tiles
            as they were are left out. Behind ``UNDER_KEY``: see
            ``under_tile``.
        """
        for key, (labels, written, accepted) in tiles.items():
            if not labels.any() and not written.any() and accepted is None:
                self._places.pop(key, None)
                self._waiting.pop(key, None)
                continue
            raw = labels.tobytes() + written.tobytes()
            if accepted is not None:
                raw += np.packbits(accepted).tobytes()
            digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
            known = self._waiting.get(key, (self._places.get(key),))[0]
            if known is not None and known.digest == digest:
                continue
            content = zlib.compress(raw, 1)
            place = _Place(
                '',
                0,
                len(content),
                digest,
                labels.dtype.str,
                written.dtype.str,
                accepted is not None,
            )
            self._waiting[key] = (place, content)

    def commit(self, head: Mapping[str, Any]) -> None:
        """Put what was taken on the disk, whole or not at all.

        Parameters
        ----------
        head : mapping
            Fit for JSON: what the labels are of. ``shape`` is needed.

        Raises
        ------
        StorageError
            If it cannot be written. What was saved before stays, and the
            next commit tries again.
        """
        moved = self._find_little_used()
        places = dict(self._places)
        name = f'{self._number:06}.tiles'
        parts = [*self._waiting.items()]
        parts += [
            (key, (place, self._read(place)))
            for key, place in moved.items()
            if key not in self._waiting
        ]
        offset = 0
        for key, (place, content) in parts:
            places[key] = replace(
                place, file=name, offset=offset, size=len(content)
            )
            offset += len(content)
        if parts:
            # One is there after a commit of which only the head failed: no
            # head tells of it.
            with write_atomically(
                self.folder / name, overwrite=True
            ) as temporary:
                temporary.chmod(0o600)
                with temporary.open('wb') as file:
                    for _, (_, content) in parts:
                        file.write(content)
        text = json.dumps(
            {
                'format': FORMAT,
                'saved': time.time(),
                **head,
                'tiles': {
                    key: each.to_list()
                    for key, each in places.items()
                    if not key.startswith(UNDER_KEY)
                },
                'under': {
                    key.removeprefix(UNDER_KEY): each.to_list()
                    for key, each in places.items()
                    if key.startswith(UNDER_KEY)
                },
            },
            ensure_ascii=False,
        )
        with write_atomically(
            self.folder / HEAD_NAME, overwrite=True
        ) as temporary:
            temporary.chmod(0o600)
            temporary.write_text(text, encoding='utf-8')
        self._places, self._waiting = places, {}
        self._number += 1
        self._remove_unused()

    def _find_little_used(self) -> dict[str, _Place]:
        """Return the tiles in files of which less than half is used."""
        used: dict[str, int] = {}
        for key, place in self._places.items():
            if key not in self._waiting:
                used[place.file] = used.get(place.file, 0) + place.size
        little = set()
        for file, size in used.items():
            with contextlib.suppress(OSError):
                total = (self.folder / file).stat().st_size
                if total > max(2 * size, _LITTLE):
                    little.add(file)
        return {
            key: place
            for key, place in self._places.items()
            if place.file in little
        }

    def _read(self, place: _Place) -> bytes:
        try:
            return read_part(
                self.folder / place.file, place.offset, place.size
            )
        except OSError as error:
            raise StorageError(
                f'Saved edits cannot be read again: {error}. Save the layer.'
            ) from error

    def _remove_unused(self) -> None:
        used = {place.file for place in self._places.values()}
        for path in self.folder.glob('*.tiles'):
            if path.name not in used:
                with contextlib.suppress(OSError):
                    path.unlink()

    def remove(self) -> None:
        """Remove all that was saved: it is not needed any more."""
        # Before the lock goes: nobody shall find it in the meantime.
        with contextlib.suppress(OSError):
            (self.folder / HEAD_NAME).unlink(missing_ok=True)
        self._held.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def hold(folder: Path) -> filelock.BaseFileLock:
    """Return the lock of a folder, held until its process ends.

    The system lets go of it also after a crash: unlike a process's number,
    it never stands for another process.

    Raises
    ------
    TimeoutError
        If it is held, by this process or another.
    OSError
        If it cannot be opened.
    """
    import filelock

    lock = filelock.FileLock(folder / LOCK_NAME, thread_local=False)
    lock.acquire(timeout=0)
    return lock


def read_part(path: Path, offset: int, size: int) -> bytes:
    """Return a part of a file."""
    with path.open('rb') as file:
        file.seek(offset)
        return file.read(size)


def under_tile(under: npt.NDArray[Any] | None) -> Tile:
    """Return what is saved of what the model says where it must not write.

    Parameters
    ----------
    under : array or None
        That of a tile; see ``layers.labels.Result``.
    """
    nothing = np.zeros(0, np.uint8)
    if under is None or not under.any():
        return nothing, nothing, None
    return np.array(under), nothing, None


def unpack_under(
    content: bytes, place: list[Any], shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Return what was given to ``under_tile``; see ``unpack_tile``."""
    kind = np.dtype(str(place[4]))
    if kind.kind != 'u':
        raise ValueError('notes of no integers')
    raw = _unpack(content, place, int(np.prod(shape)) * kind.itemsize)
    return np.frombuffer(raw, kind).reshape(shape)


def _unpack(content: bytes, place: list[Any], size: int) -> bytes:
    """Return what was compressed, if it is what was saved."""
    machine = zlib.decompressobj()
    raw = machine.decompress(content, size + 1)
    digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
    if len(raw) != size or digest != place[3]:
        raise ValueError('a damaged tile')
    return raw


def unpack_tile(
    content: bytes, place: list[Any], shape: tuple[int, ...]
) -> Tile:
    """Return labels, model labels and what was accepted of a tile.

    Parameters
    ----------
    content : bytes
    place : list
        Of the tile, as the head has it.
    shape : tuple of int
        Of the tile.

    Raises
    ------
    ValueError
        If that is not what was saved.
    """
    kinds = [np.dtype(str(each)) for each in place[4:6]]
    if any(kind.kind not in 'iu' for kind in kinds):
        raise ValueError('a tile of no integers')
    count = int(np.prod(shape))
    sizes = [count * kind.itemsize for kind in kinds]
    # Older files say nothing of it.
    has_accepted = bool(place[6:] and place[6])
    sizes.append(-(-count // 8) if has_accepted else 0)
    raw = _unpack(content, place, sum(sizes))
    labels = np.frombuffer(raw[: sizes[0]], kinds[0]).reshape(shape)
    rest = raw[sizes[0] :]
    written = np.frombuffer(rest[: sizes[1]], kinds[1]).reshape(shape)
    if not has_accepted:
        return labels, written, None
    bits = np.frombuffer(rest[sizes[1] :], np.uint8)
    accepted = np.unpackbits(bits, count=count).astype(bool).reshape(shape)
    return labels, written, accepted
