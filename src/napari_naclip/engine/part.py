"""A file that is still arriving, and the note that says of what it is part.

The note is written before the first byte, so that a process that was killed
leaves either nothing or a part that can be told. Bytes are only ever added at
the end. Whether they are right is seen at the end, by their SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
from typing import TYPE_CHECKING

from napari_naclip.engine.hub import NOTE_SUFFIX, PART_SUFFIX, beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Bytes that are hashed in one step, a few milliseconds.
_HASH_BLOCK = 1 << 22
#: Bytes after which the disk must really have them: what is left for the end
#: is then written in a moment.
_SYNC_INTERVAL = 1 << 25


class Part:
    """What has arrived of a file.

    Parameters
    ----------
    target : Path
        Where the file is put when it is complete.
    etag : str
        The version; a SHA-256 if it has 64 hexadecimal digits.
    size : int
        Bytes of the complete file.

    Attributes
    ----------
    done : int
        Bytes that have arrived.
    """

    def __init__(self, target: Path, *, etag: str, size: int) -> None:
        self._target = target
        self._path = beside(target, PART_SUFFIX)
        self._note = beside(target, NOTE_SUFFIX)
        self._etag = etag
        self._size = size
        self._file: io.FileIO | None = None
        self._hash = hashlib.sha256()
        self._synced = 0
        self.done = 0

    def open(self) -> Iterator[None]:
        """Yield while what is already here is hashed; then bytes can come.

        A part of another version, or without a note, is thrown away.
        """
        # Without an etag nobody knows whether the file is still the same.
        is_known = bool(self._etag) and self._read_note() == self._identity
        self._file = io.FileIO(
            os.open(
                self._path,
                os.O_RDWR | os.O_CREAT | getattr(os, 'O_BINARY', 0),
                0o666,
            ),
            'r+',
        )
        if not is_known:
            self.restart()
            self._write_note()
            return
        while block := self._file.read(_HASH_BLOCK):
            self._hash.update(block)
            self.done += len(block)
            yield
        if self.done > self._size:
            self.restart()

    def write(self, chunk: bytes) -> None:
        """Add bytes at the end."""
        view = memoryview(chunk)
        while view:
            # On a full disk some may fit and the next call fails; what is
            # counted is what the file has.
            count = self._opened.write(view) or 0
            self._hash.update(view[:count])
            self.done += count
            view = view[count:]
        if self.done - self._synced >= _SYNC_INTERVAL:
            os.fsync(self._opened.fileno())
            self._synced = self.done

    def restart(self) -> None:
        """Forget what has arrived."""
        self._opened.seek(0)
        self._opened.truncate()
        self._hash = hashlib.sha256()
        self.done = self._synced = 0

    @property
    def is_right(self) -> bool:
        """Whether all bytes are here, and the ones that were announced."""
        if self.done != self._size:
            return False
        if not re.fullmatch('[0-9a-f]{64}', self._etag):
            return True  # the hub gives no SHA-256 of a small file
        return self._hash.hexdigest() == self._etag

    def finish(self) -> None:
        """Put the file in its place."""
        os.fsync(self._opened.fileno())
        self.close()
        self._path.replace(self._target)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove what has arrived."""
        self.close()
        for path in (self._path, self._note):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Keep what has arrived for another time."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def _opened(self) -> io.FileIO:
        if self._file is None:
            raise ValueError('the part is not open')
        return self._file

    @property
    def _identity(self) -> dict[str, object]:
        return {'etag': self._etag, 'size': self._size}

    def _read_note(self) -> object:
        try:
            return json.loads(self._note.read_text(encoding='utf-8'))
        except (OSError, ValueError):
            return None

    def _write_note(self) -> None:
        temporary = beside(self._note, '.new')
        temporary.write_text(json.dumps(self._identity), encoding='utf-8')
        temporary.replace(self._note)
