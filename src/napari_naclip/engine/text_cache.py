"""Query embeddings kept on disk, so that a phrase is encoded only once.

One small file for each phrase, keyed by everything that its embedding depends
on: the weights, what decides the last bits, the templates and the phrase.
Files are written beside their place and renamed, so that two processes never
see half a file. A cache that cannot be read or written costs time and nothing
else.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_logger = logging.getLogger(__name__)

#: Files after which the least recently used half is removed: about 100 MB.
MAX_FILES: Final = 40_000


class TextCache:
    """Query embeddings in a folder.

    Parameters
    ----------
    folder : Path or None
        Made when it is first written to, for the user alone. None keeps
        nothing.
    max_files : int
        How many embeddings are kept.
    """

    def __init__(
        self, folder: Path | None, *, max_files: int = MAX_FILES
    ) -> None:
        self.folder = folder
        self.max_files = max_files
        #: Why the last write failed; empty when it did not.
        self.problem = ''

    def get(self, key: str) -> npt.NDArray[np.float32] | None:
        """Return the embedding (D,) of a key, or None."""
        if self.folder is None:
            return None
        path = self._path(key)
        try:
            with path.open('rb') as file:
                # Not ``np.load``, which takes a zip file for an archive.
                embedding = np.lib.format.read_array(file, allow_pickle=False)
            # The time of the last use decides what is removed first.
            os.utime(path)
        except (OSError, ValueError, EOFError, MemoryError, OverflowError):
            return None
        if embedding.dtype != np.float32 or embedding.ndim != 1:
            return None
        if not np.isfinite(embedding).all():
            return None
        result: npt.NDArray[np.float32] = embedding
        return result

    def put(self, key: str, embedding: npt.NDArray[np.float32]) -> None:
        """Keep the embedding (D,) of a key, if the disk allows."""
        if self.folder is None:
            return
        path = self._path(key)
        try:
            # Parents that mkdir makes on its way would be open to others.
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=path.parent)
            try:
                with os.fdopen(descriptor, 'wb') as file:
                    np.save(file, embedding, allow_pickle=False)
                Path(temporary).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
                raise
            self.problem = ''
        except OSError as error:
            self.problem = error.strerror or str(error)
            _logger.info('Text cache not written: %s', error)

    def prune(self) -> None:
        """Remove the least recently used half if there are too many files."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError):
            files = sorted(
                self.folder.glob('??/*'), key=lambda f: f.stat().st_mtime_ns
            )
            if len(files) > self.max_files:
                for file in files[: len(files) - self.max_files // 2]:
                    file.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        folder = self.folder or Path()
        return folder / key[:2] / f'{key[2:]}.npy'


def embedding_key(maker: str, templates: Sequence[str], phrase: str) -> str:
    """Return the key of a phrase's embedding: a hash of all it depends on.

    Parameters
    ----------
    maker : str
        Identity of the weights and the tokenizer, and of what their products
        are rounded by.
    """
    digest = hashlib.sha256()
    for part in (maker, *templates, '', phrase):
        encoded = part.encode()
        # The length in front keeps ('ab', 'c') apart from ('a', 'bc').
        digest.update(len(encoded).to_bytes(8, 'little') + encoded)
    return digest.hexdigest()
