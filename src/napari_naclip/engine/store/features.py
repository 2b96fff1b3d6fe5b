"""``FeatureStore``: the two levels as one, for several threads.

A window that falls out of memory goes to the disk, and several of them in
one transaction. What is read from the disk goes to memory only where there
is room anyway: an image larger than memory, read again and again from its
first row to its last, would else push each window out shortly before it is
needed. A window that is on the disk already is not written again. What leaves
first, ``passes`` says.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_naclip.engine.store.disk import DiskLevel
from napari_naclip.engine.store.memory import (
    Entry,
    MemoryLevel,
    is_same,
    make_read_only,
)
from napari_naclip.engine.store.passes import Pass, Ranks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_naclip.engine.store.memory import Tokens

#: Bytes of a key.
KEY_SIZE: Final = 32
#: Bytes that are written to the disk together.
_BATCH: Final = 8 * 1024**2
#: A batch is at most this part of the memory's budget.
_PART: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How much is kept, in bytes and windows.

    Attributes
    ----------
    memory_size, memory_windows, memory_budget : int
    disk_size : int
        Of the file, which does not shrink when windows leave it.
    disk_windows, disk_budget : int
    folder : Path or None
        None where nothing goes to the disk.
    problem : str
        A sentence about why the disk is not used; empty when it is.
    """

    memory_size: int
    memory_windows: int
    memory_budget: int
    disk_size: int
    disk_windows: int
    disk_budget: int
    folder: Path | None
    problem: str


class FeatureStore:
    """Unit tokens of windows, by a key of all that they depend on.

    All methods may be called by several threads at once. Nothing that goes
    wrong with the disk is raised, except by ``clear``: what is not kept is
    computed again.

    Parameters
    ----------
    folder : Path or None
        Made when it is first written to, for the user alone; None keeps
        windows in memory only.
    memory, disk : int
        Budgets in bytes; 0 turns a level off.

    Attributes
    ----------
    folder : Path or None
    """

    def __init__(self, folder: Path | None, *, memory: int, disk: int) -> None:
        _check_budgets(memory, disk)
        self.folder = folder
        self._disk = DiskLevel(folder, disk)
        self._memory = MemoryLevel()
        self._budget = memory
        # Never held while the disk is waited for. Who needs both locks
        # takes that of the disk first.
        self._lock = threading.Lock()
        #: Counts the calls of clear: what was under way then is dropped.
        self._generation = 0
        self._ranks = Ranks()

    @property
    def problem(self) -> str:
        """A sentence about why the disk is not used; empty when it is."""
        return self._disk.problem

    def begin(self) -> Pass:
        """Return the store for one pass over windows, such as those of a run.

        The least recent pass leaves first, and what came last in it before
        what came first. As a context, it is one pass for all images that are
        looked at within.
        """
        return Pass(self)

    def get(self, key: bytes, during: Pass | None = None) -> Tokens | None:
        """Return the tokens of a window, read-only, or None.

        Parameters
        ----------
        key : bytes
            32 bytes.
        during : Pass, optional
            The pass that this use belongs to; None: one of its own.

        Returns
        -------
        ndarray of shape (rows, columns, D), float16 or float32, or None
        """
        _check_key(key)
        with self._lock:
            used = self._ranks.next(during, self._disk.latest)
            entry = self._memory.find(key, used)
            if entry is not None:
                return entry.tokens
            generation = self._generation
        tokens = self._disk.find(key, used)
        if tokens is None:
            return None
        with self._lock:
            size = self._memory.size + tokens.nbytes
            if (
                size <= self._budget
                and generation == self._generation
                and key not in self._memory
            ):
                self._memory.add(Entry(key, tokens, used, is_on_disk=True))
        return tokens

    def put(
        self, key: bytes, tokens: Tokens, during: Pass | None = None
    ) -> None:
        """Keep a copy of the tokens of a window, for as long as there is room.

        Parameters
        ----------
        key : bytes
            32 bytes. The last tokens that were put under it count.
        tokens : ndarray of shape (rows, columns, D), float16 or float32
        during : Pass, optional
            See ``get``.
        """
        _check_key(key)
        if tokens.ndim != 3 or not tokens.size:
            raise ValueError(f'tokens of shape {tokens.shape}')
        if tokens.dtype not in (np.float16, np.float32):
            raise ValueError(f'tokens of type {tokens.dtype}')
        with self._lock:
            used = self._ranks.next(during, self._disk.latest)
            generation = self._generation
            known = self._memory.find(key, used)
            if known is not None and is_same(known.tokens, tokens):
                return
            # Until there is room for the new one.
            self._memory.discard(key)
        entry = Entry(key, make_read_only(tokens), used)
        while True:
            with self._lock:
                if generation != self._generation:
                    return
                over = self._memory.size + tokens.nbytes - self._budget
                if over <= 0:
                    self._memory.add(entry)
                    return
                if tokens.nbytes > self._budget:
                    break
                leaving = self._take(over)
            self._move_out(leaving, generation)
        self._write([entry], generation)

    def contains(self, keys: Sequence[bytes]) -> list[bool]:
        """Return for each key whether its window is kept, as far as known.

        Reads no tokens: one that is damaged is noticed by ``get``.
        """
        for key in keys:
            _check_key(key)
        with self._lock:
            found = [key in self._memory for key in keys]
        rest = [k for k, is_in in zip(keys, found, strict=True) if not is_in]
        missing = self._disk.find_missing(rest) if rest else set()
        return [
            is_in or key not in missing
            for key, is_in in zip(keys, found, strict=True)
        ]

    def usage(self) -> Usage:
        """Return how much is kept; may wait for the disk."""
        windows = self._disk.count()
        with self._lock:
            return Usage(
                memory_size=self._memory.size,
                memory_windows=len(self._memory),
                memory_budget=self._budget,
                disk_size=self._disk.file_size(),
                disk_windows=windows,
                disk_budget=self._disk.budget,
                folder=self.folder,
                problem=self._disk.problem,
            )

    def flush(self) -> None:
        """Write to the disk what was never there; memory keeps it too.

        What is in memory only is lost with the process.
        """
        with self._lock:
            waiting = self._memory.unwritten()
            generation = self._generation
        while waiting:
            size, count = 0, 0
            while count < len(waiting) and size < _BATCH:
                size += waiting[count].tokens.nbytes
                count += 1
            batch, waiting = waiting[:count], waiting[count:]
            if not self._write(batch, generation):
                return

    def free(self) -> None:
        """Empty the memory; what the disk has room for goes there."""
        with self._lock:
            generation = self._generation
            rest = self._memory.size
        while rest > 0:
            with self._lock:
                leaving = self._take(1)
            if not leaving:
                return
            rest -= sum(entry.tokens.nbytes for entry in leaving)
            self._move_out(leaving, generation)

    def clear(self) -> None:
        """Forget everything, in memory and on the disk.

        Raises
        ------
        StorageError
            If the disk cannot be cleared; the memory is by then.
        """
        with self._disk.lock:
            with self._lock:
                self._generation += 1
                self._memory.clear()
            self._disk.clear()

    def set_budgets(
        self, *, memory: int | None = None, disk: int | None = None
    ) -> None:
        """Change the budgets, in bytes; what is too much by then leaves."""
        _check_budgets(memory or 0, disk or 0)
        if disk is not None:
            self._disk.set_budget(disk)
        if memory is None:
            return
        with self._lock:
            self._budget = memory
            generation = self._generation
        while True:
            with self._lock:
                over = self._memory.size - self._budget
                if over <= 0:
                    return
                leaving = self._take(over)
            self._move_out(leaving, generation)

    def close(self) -> None:
        """Close the file on the disk; the next use opens it again."""
        self._disk.close()

    def _take(self, size: int) -> list[Entry]:
        """Take out what leaves first, a batch of it if need be."""
        batch = min(_BATCH, self._budget // _PART)
        return self._memory.take_lowest(max(size, batch))

    def _move_out(self, leaving: list[Entry], generation: int) -> None:
        # With nothing taken another thread is at it: this waits for it.
        try:
            self._write(leaving, generation)
        finally:
            with self._lock:
                self._memory.forget(leaving)

    def _write(self, entries: list[Entry], generation: int) -> bool:
        with self._disk.lock:
            if generation != self._generation:
                return False
            if not entries:
                return True
            is_written = self._disk.write(entries)
            for entry in entries:
                entry.is_on_disk = is_written
            return is_written


def _check_key(key: bytes) -> None:
    if len(key) != KEY_SIZE:
        raise ValueError(f'a key of {len(key)} bytes')


def _check_budgets(memory: int, disk: int) -> None:
    if memory < 0 or disk < 0:
        raise ValueError(f'budgets of {memory} and {disk} bytes')
