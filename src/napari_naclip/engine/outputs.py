"""Arrays for labels and confidence: in memory, past a budget on the disk.

Up to the budget of the process they are numpy arrays. What comes beyond it is
a zarr array of compressed chunks in the cache folder, which answers slices
likewise; it is removed with the last reference to it, at the end of the
process, or, after a crash, by the next process that needs the folder.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import os
import secrets
import shutil
import threading
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from napari_naclip.engine.cache_folder import make_private
from napari_naclip.engine.disk_array import disk_errors_told, make_array
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.store.budgets import parse_size, physical_memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import filelock
    import numpy.typing as npt

#: Environment variable with the budget: a size such as "2GB".
OUTPUT_VARIABLE: Final = 'NAPARI_NACLIP_OUTPUT_MEMORY'
#: The part of the machine's memory that it is by default.
_MEMORY_PART: Final = 4
#: Rows and columns of a chunk: bands are written from the top to the bottom.
CHUNK: Final = (256, 1024)
#: Rows of chunks that are held while they are written to: a band of labels
#: may begin in one and end in the next.
_HELD: Final = 2

_logger = logging.getLogger(__name__)


def set_output_budget(size: int | None) -> None:
    """Set how many bytes this process keeps; None: what the machine can spare.

    Holds for arrays that are made from now on, where the environment says
    nothing else.
    """
    _USED.budget = size


def output_budget() -> int:
    """Return how many bytes of outputs this process keeps in memory."""
    text = os.environ.get(OUTPUT_VARIABLE, '').strip()
    if text:
        try:
            return parse_size(text)
        except InputError as error:
            _logger.warning('%s is left out: %s', OUTPUT_VARIABLE, error)
    if _USED.budget is not None:
        return _USED.budget
    return physical_memory() // _MEMORY_PART


def zeros(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an array of zeros, in memory or on the disk.

    Parameters
    ----------
    shape : tuple of int
        The last two axes are rows and columns, or the other way round.
    dtype : dtype

    Returns
    -------
    numpy or zarr array
        On the disk where the process's outputs would otherwise be larger
        than the budget, or where memory cannot be had.

    Raises
    ------
    StorageError
        If neither has room for it.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if _USED.take(size, output_budget()):
        try:
            array = np.zeros(shape, dtype)
        except MemoryError:
            _USED.give_back(size)
        else:
            weakref.finalize(array, _USED.give_back, size)
            return array
    return _DISK.make(shape, dtype)


def is_on_disk(array: object) -> bool:
    """Return whether an array is none of numpy's, and is read in slices."""
    return not isinstance(array, np.ndarray)


def least_rows(array: object) -> int:
    """Return how many rows are written at once, at least."""
    return CHUNK[0] if is_on_disk(array) else 1


def row_bands(array: Any) -> Iterator[slice]:
    """Yield the rows of an (..., H, W) array that are read together.

    All of them for a numpy array; a row of chunks else.
    """
    height = array.shape[-2]
    step = CHUNK[0] if is_on_disk(array) else max(1, height)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def count_values(labels: Any, least: int = 0) -> npt.NDArray[np.int64]:
    """Return the pixels of each value of (H, W) labels, band by band."""
    counts = np.zeros(least, np.int64)
    for rows in row_bands(labels):
        more = np.bincount(labels[rows].ravel(), minlength=len(counts))
        more[: len(counts)] += counts
        counts = more
    return counts


def widened(array: Any, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return a copy of a label array with another dtype, made like it."""
    if not is_on_disk(array):
        return cast('npt.NDArray[Any]', array.astype(dtype))
    result = zeros(tuple(array.shape), dtype)
    for plane in np.ndindex(*array.shape[:-2]):
        for top in range(0, array.shape[-2], CHUNK[0]):
            at = (*plane, slice(top, min(top + CHUNK[0], array.shape[-2])))
            result[at] = np.asarray(array[at])
    return result


def stored(labels: npt.NDArray[Any], like: object) -> npt.NDArray[Any]:
    """Return labels on the disk where the array they come from is there."""
    if not is_on_disk(like):
        return labels
    result = zeros(labels.shape, labels.dtype)
    if not is_on_disk(result):
        return labels
    result[...] = labels
    return result


class BandBuffer:
    """An (H, W) array on the disk that is written in bands of any height.

    Whole rows of chunks are held until others are written to, so that no
    chunk is compressed again for each few rows.

    Parameters
    ----------
    array : zarr array
    """

    def __init__(self, array: Any) -> None:
        self._array = array
        self._held: OrderedDict[int, npt.NDArray[Any]] = OrderedDict()

    def __setitem__(self, at: tuple[slice, slice], values: Any) -> None:
        rows, columns = at
        for index, here, there in self._parts(rows):
            self._band(index)[here, columns] = values[there]

    def __getitem__(self, at: tuple[slice, slice]) -> npt.NDArray[Any]:
        rows, columns = at
        return np.concatenate(
            [
                self._band(index)[here, columns]
                for index, here, _ in self._parts(rows)
            ]
        )

    def finish(self) -> npt.NDArray[Any]:
        """Write what is held; return the array."""
        while self._held:
            self._write()
        return cast('npt.NDArray[Any]', self._array)

    def _parts(self, rows: slice) -> Iterator[tuple[int, slice, slice]]:
        """Yield each row of chunks, the rows in it, and in the values."""
        height = CHUNK[0]
        for index in range(rows.start // height, -(-rows.stop // height)):
            top = index * height
            start, stop = max(rows.start, top), min(rows.stop, top + height)
            yield (
                index,
                slice(start - top, stop - top),
                slice(start - rows.start, stop - rows.start),
            )

    def _band(self, index: int) -> npt.NDArray[Any]:
        if index not in self._held:
            while len(self._held) >= _HELD:
                self._write()
            top = index * CHUNK[0]
            self._held[index] = np.asarray(self._array[top : top + CHUNK[0]])
        self._held.move_to_end(index)
        return self._held[index]

    def _write(self) -> None:
        """Write the row of chunks that was used the longest time ago."""
        index = next(iter(self._held))
        top = index * CHUNK[0]
        self._array[top : top + CHUNK[0]] = self._held[index]
        del self._held[index]


def buffered(array: npt.NDArray[Any]) -> npt.NDArray[Any] | BandBuffer:
    """Return what an (H, W) array of ``zeros`` is written through."""
    return BandBuffer(array) if is_on_disk(array) else array


def finished(array: npt.NDArray[Any] | BandBuffer) -> npt.NDArray[Any]:
    """Return the array behind what ``buffered`` gave."""
    return array.finish() if isinstance(array, BandBuffer) else array


class _Used:
    """Bytes of outputs that are in memory, and those that may be."""

    def __init__(self) -> None:
        #: As was set; None: nothing was.
        self.budget: int | None = None
        # A finalizer may run inside of `take`, on the same thread.
        self._lock = threading.RLock()
        self._bytes = 0

    def take(self, size: int, budget: int) -> bool:
        with self._lock:
            if self._bytes + size > budget:
                return False
            self._bytes += size
            return True

    def give_back(self, size: int) -> None:
        with self._lock:
            self._bytes -= size


class _Disk:
    """The folders of this process's arrays, made when the first one is.

    The cache may move to another folder meanwhile: what was made before is
    in use, and stays where it is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: By the folder that they are in, each with what keeps others off.
        self._folders: dict[Path, tuple[Path, filelock.BaseFileLock]] = {}

    def make(
        self, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> npt.NDArray[Any]:
        with disk_errors_told():
            path = self._find() / secrets.token_hex(8)
            tail = [
                min(most, length)
                for most, length in zip(CHUNK, shape[-2:], strict=False)
            ]
            chunks = (*[1] * (len(shape) - 2), *[max(1, n) for n in tail])
            array = make_array(path, shape, dtype, chunks)
        weakref.finalize(array, shutil.rmtree, path, ignore_errors=True)
        return cast('npt.NDArray[Any]', array)

    def _find(self) -> Path:
        import filelock

        parent = make_private('outputs')
        with self._lock:
            if parent not in self._folders:
                _remove_leftovers(parent)
                folder = parent / f'{os.getpid()}-{secrets.token_hex(4)}'
                lock = filelock.FileLock(f'{folder}.lock', thread_local=False)
                lock.acquire(timeout=0)
                try:
                    folder.mkdir(mode=0o700)
                except OSError:
                    lock.release()
                    raise
                self._folders[parent] = folder, lock
            return self._folders[parent][0]

    def close(self) -> None:
        """Remove all arrays: nothing may use them any longer."""
        with self._lock:
            while self._folders:
                _, (folder, lock) = self._folders.popitem()
                shutil.rmtree(folder, ignore_errors=True)
                lock.release()
                _unlink(folder.with_name(f'{folder.name}.lock'))


def _remove_leftovers(parent: Path) -> None:
    """Remove what processes left behind that were killed."""
    import filelock

    for path in parent.glob('*.lock'):
        lock = filelock.FileLock(path)
        try:
            lock.acquire(timeout=0)
        except (filelock.Timeout, OSError):
            # Its process lives.
            continue
        shutil.rmtree(path.with_suffix(''), ignore_errors=True)
        lock.release()
        _unlink(path)


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


_USED: Final = _Used()
_DISK: Final = _Disk()
atexit.register(_DISK.close)
