"""A file that a process holds as long as it lives, however it ends."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class HeldFile:
    """A file that is locked while this object is open.

    The system lets go of it when the process ends, also by a crash: unlike a
    process's number, that never stands for another process.

    Parameters
    ----------
    path : Path
        Made if it is not there.

    Raises
    ------
    BlockingIOError
        If it is held, by this process or another.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT
        self._number = os.open(path, flags, 0o600)
        try:
            _lock(self._number)
        except OSError as error:
            os.close(self._number)
            self._number = -1
            raise BlockingIOError(f'{path} is held') from error

    def close(self) -> None:
        """Let go of it; again does nothing."""
        if self._number >= 0:
            os.close(self._number)
            self._number = -1


def is_held(path: Path) -> bool:
    """Return whether a process holds a file, or whether that is unknown."""
    try:
        HeldFile(path).close()
    except OSError:
        return True
    return False


if sys.platform == 'win32':
    import msvcrt

    def _lock(number: int) -> None:
        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(number: int) -> None:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
