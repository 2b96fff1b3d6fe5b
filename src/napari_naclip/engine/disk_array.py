"""zarr's arrays on the disk, of one process, which say in words what is wrong.

A file that is gone is an error here, and not zeros.
"""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_naclip.engine.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np


def make_array(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunks: tuple[int, ...],
) -> Any:
    """Return an array of zeros in a folder, of which no other process reads.

    Parameters
    ----------
    path : Path
        The folder, which is made.
    shape : tuple of int
    dtype : dtype
    chunks : tuple of int
        The shape of what is compressed together, in a file.
    """
    # Here and not above: most processes never need it.
    import zarr

    array = zarr.create_array(
        _store_class()(path),
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        fill_value=0,
    )
    # Not made by a constructor, which differs from release to release.
    object.__setattr__(array, '__class__', _array_class())
    return array


@contextlib.contextmanager
def disk_errors_told() -> Iterator[None]:
    """Turn what a disk raises into ``StorageError``."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            'Labels cannot be written to the cache folder: '
            f'{error.strerror or error}. Make room on the disk, choose '
            'another folder with NAPARI_NACLIP_CACHE, or allow them more '
            'memory ("Kept features", napari-naclip cache --outputs).'
        ) from error


@functools.cache
def _array_class() -> type:
    """Return zarr's class, whose arrays say in words what is wrong.

    napari and other plugins read and write them, too.
    """
    import zarr

    class DiskArray(zarr.Array):  # type: ignore[type-arg]
        """An array of this process on the disk."""

        def __getitem__(self, at: Any) -> Any:
            _check_is_there(self)
            return super().__getitem__(at)

        def __setitem__(self, at: Any, values: Any) -> None:
            _check_is_there(self)
            with disk_errors_told():
                super().__setitem__(at, values)

    return DiskArray


@functools.cache
def _store_class() -> type:
    """Return zarr's store of files, which here knows what it has written."""
    from zarr.storage import LocalStore

    class DiskStore(LocalStore):
        """The chunks of one array: none of them is taken for zeros.

        zarr writes none that is all zero, and so reads a missing one.
        """

        def __init__(self, root: Path) -> None:
            super().__init__(root)
            self._written: set[str] = set()

        async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
            return self._look(key, await super().get(key, *args, **kwargs))

        async def set(self, key: str, value: Any) -> None:
            await super().set(key, value)
            self._written.add(key)

        async def delete(self, key: str) -> None:
            # Before: another thread may be reading it.
            self._written.discard(key)
            await super().delete(key)

        # The same for releases that need no loop of events.

        def get_sync(self, key: str, **kwargs: Any) -> Any:
            return self._look(key, super().get_sync(key, **kwargs))

        def set_sync(self, key: str, value: Any) -> None:
            super().set_sync(key, value)
            self._written.add(key)

        def delete_sync(self, key: str) -> None:
            self._written.discard(key)
            super().delete_sync(key)

        def _look(self, key: str, content: Any) -> Any:
            if content is None and key in self._written:
                raise _gone(self.root / key)
            return content

    return DiskStore


def _check_is_there(array: Any) -> None:
    """Raise if the folder of an array is gone, which zarr takes for zeros."""
    folder = Path(array.store.root, array.store_path.path)
    if not folder.exists():
        raise _gone(folder)


def _gone(path: Path) -> StorageError:
    return StorageError(
        f'Labels that were kept on the disk are gone: {path} was deleted or '
        'cannot be reached. Delete their layer and run again for them, and '
        'leave the cache folder alone while a program uses it.'
    )
