"""What was counted in each image, on the disk, so that it is counted once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from napari_naclip.engine.errors import StorageError
from napari_naclip.io.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from napari_naclip.engine.confusion import Confusions
    from napari_naclip.evaluate.pairs import Pair

#: Size in bytes and time of change, in ns, of an image and its labels.
FileState: TypeAlias = list[list[int]]

_SUFFIX: Final = '.counts.json'


class KeptCounts:
    """A folder with a small file for each image that was counted.

    Parameters
    ----------
    folder : Path
        For one key of a task: made when it is first written to.
    count : int
        Number of classes, K.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self._count = count

    def read(self, pair: Pair) -> Confusions | None:
        """Return what was counted, if both files are as they were then.

        Parameters
        ----------
        pair : Pair

        Returns
        -------
        (K, K) int64 ndarray or None
            None, too, where the file is not one that was written here.
        """
        try:
            content = json.loads(self._path(pair).read_bytes())
            if content['files'] != describe_files(pair):
                return None
            counts = np.array(content['counts'], np.int64).reshape(-1, 3)
            truth, answer, pixels = counts.T
            is_ours = counts.min(initial=0) >= 0
            is_ours &= counts[:, :2].max(initial=0) < self._count
            if not is_ours:
                return None
        except (
            OSError,
            StorageError,
            ValueError,
            TypeError,
            KeyError,
            OverflowError,
        ):
            return None
        confusions = np.zeros((self._count, self._count), np.int64)
        np.add.at(confusions, (truth, answer), pixels)
        return confusions

    def write(
        self, pair: Pair, files: FileState, confusions: Confusions
    ) -> None:
        """Keep what was counted: whole, or not at all.

        Parameters
        ----------
        pair : Pair
        files : list
            What ``describe_files`` said before they were read.
        confusions : (K, K) int64 ndarray

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        truth, answer = np.nonzero(confusions)
        counts = np.column_stack([truth, answer, confusions[truth, answer]])
        content = {'files': files, 'counts': counts.tolist()}
        make_folder(self.folder)
        path = self._path(pair)
        with write_atomically(path, overwrite=True) as temporary:
            temporary.write_text(json.dumps(content), encoding='utf-8')

    def _path(self, pair: Pair) -> Path:
        return self.folder / f'{pair.name}{_SUFFIX}'


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, or raise ``StorageError``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f'The folder {folder} cannot be made: {error.strerror or error}. '
            'Choose another.'
        ) from error


def describe_files(pair: Pair) -> FileState:
    """Return what tells whether the files of a pair are still the same.

    Raises
    ------
    StorageError
        If one is gone or cannot be looked at.
    """
    found: FileState = []
    for path in (pair.image, pair.labels):
        try:
            status = path.stat()
        except OSError as error:
            raise StorageError(
                f'{path} cannot be read: {error.strerror or error}. Put it '
                'back, or allow to read it.'
            ) from error
        # Another size or time of change is another image.
        found.append([status.st_size, status.st_mtime_ns])
    return found
