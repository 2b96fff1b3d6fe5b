"""The first level of the store: a strict number of bytes in memory.

Not thread-safe: ``FeatureStore`` holds a lock around every call.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, TypeAlias

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
        Rank of its use, see ``Ranks``: the lowest leaves first.
    is_on_disk : bool
        Whether the same was on the disk once; it may be gone by now.
    """

    key: bytes
    tokens: Tokens
    used: int
    is_on_disk: bool = False


_BY_RANK: Final = attrgetter('used')


class MemoryLevel:
    """Entries with the ranks of their uses, up to a number of bytes.

    Attributes
    ----------
    size : int
        Bytes of all entries and of those that are leaving.
    """

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        #: What was taken out and is being written to the disk.
        self._leaving: dict[bytes, Entry] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries) + len(self._leaving)

    def __contains__(self, key: bytes) -> bool:
        return key in self._entries or key in self._leaving

    def find(self, key: bytes, used: int) -> Entry | None:
        """Return an entry and note that it was used."""
        entry = self._entries.get(key) or self._leaving.get(key)
        if entry is not None:
            entry.used = max(entry.used, used)
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

    def take_lowest(self, size: int) -> list[Entry]:
        """Take out those of the lowest ranks: together `size` bytes or more.

        They count, and are found, until ``forget`` is called.
        """
        taken: list[Entry] = []
        total = 0
        for entry in sorted(self._entries.values(), key=_BY_RANK):
            # An older one of the same key may be on its way: wait for it.
            if total >= size or entry.key in self._leaving:
                break
            del self._entries[entry.key]
            self._leaving[entry.key] = entry
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
        """Return what was never on the disk, in the order of its ranks."""
        waiting = (e for e in self._entries.values() if not e.is_on_disk)
        return sorted(waiting, key=_BY_RANK)

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
