"""The first level of the store: a strict number of bytes in memory.

Not thread-safe: ``FeatureStore`` holds a lock around every call.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

#: Unit tokens of a window, (rows, columns, D), float16 or float32.
Tokens: TypeAlias = npt.NDArray[Any]


@dataclass(slots=True)
class Entry:
    """The tokens of one window on their way through the levels.

    Attributes
    ----------
    key : bytes
    tokens : ndarray of shape (rows, columns, D)
        Read-only.
    used : int
        Time of the last use, in nanoseconds.
    is_on_disk : bool
        Whether the same was on the disk once; it may be gone by now.
    """

    key: bytes
    tokens: Tokens
    used: int
    is_on_disk: bool = False


class MemoryLevel:
    """Entries in the order of their last use, up to a number of bytes.

    Attributes
    ----------
    size : int
        Bytes of all entries and of those that are leaving.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        #: What was taken out and is being written to the disk.
        self._leaving: dict[bytes, Entry] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries) + len(self._leaving)

    def __contains__(self, key: bytes) -> bool:
        return key in self._entries or key in self._leaving

    def find(self, key: bytes, used: int) -> Entry | None:
        """Return an entry and note that it was used."""
        entry = self._entries.get(key)
        if entry is None:
            entry = self._leaving.get(key)
        else:
            self._entries.move_to_end(key)
        if entry is not None:
            entry.used = used
        return entry

    def add(self, entry: Entry) -> None:
        """Take an entry in, in the place of one with its key."""
        self.discard(entry.key)
        self._entries[entry.key] = entry
        self.size += entry.tokens.nbytes

    def discard(self, key: bytes) -> None:
        """Forget an entry that is not leaving."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= entry.tokens.nbytes

    def take_oldest(self, size: int) -> list[Entry]:
        """Take out the least recently used: together at least `size` bytes.

        They count, and are found, until ``forget`` is called.
        """
        taken: list[Entry] = []
        total = 0
        while self._entries and total < size:
            key, entry = next(iter(self._entries.items()))
            if key in self._leaving:
                # An older one of the same key is on its way: wait for it.
                break
            del self._entries[key]
            self._leaving[key] = entry
            taken.append(entry)
            total += entry.tokens.nbytes
        return taken

    def forget(self, taken: list[Entry]) -> None:
        """Forget entries that were taken out."""
        for entry in taken:
            if self._leaving.get(entry.key) is entry:
                del self._leaving[entry.key]
                self.size -= entry.tokens.nbytes

    def unwritten(self) -> list[Entry]:
        """Return the entries that were never on the disk, oldest first."""
        return [e for e in self._entries.values() if not e.is_on_disk]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._leaving.clear()
        self.size = 0


def make_read_only(tokens: Tokens) -> Tokens:
    """Return a read-only copy that shares memory with nothing else."""
    # A view of a batch would keep all of the batch in memory.
    copy = np.array(tokens, order='C', copy=True)
    copy.flags.writeable = False
    return copy


def is_same(first: Tokens, second: Tokens) -> bool:
    """Return whether arrays are equal bit for bit (NaN and -0 too)."""
    return (
        first.dtype == second.dtype
        and first.shape == second.shape
        and first.tobytes() == second.tobytes()
    )
