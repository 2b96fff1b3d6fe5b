"""What every pixel of a result should be, by rules for single pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from napari_naclip.engine.types import Region

Array = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Place = tuple[int, ...]
#: By pixel: what stood there before a run or change, and the model's label.
Memory = dict[Place, tuple[int, int]]


def places_in(rows: int, columns: int) -> st.SearchStrategy[tuple[int, int]]:
    """Return a strategy for pixels of a plane."""
    return st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1))


def regions_in(rows: int, columns: int) -> st.SearchStrategy[Region]:
    """Return a strategy for regions of a plane, of at least a pixel."""
    place = places_in(rows, columns)
    return st.tuples(place, place).map(
        lambda pair: Region(
            min(pair[0][0], pair[1][0]),
            min(pair[0][1], pair[1][1]),
            max(pair[0][0], pair[1][0]) + 1,
            max(pair[0][1], pair[1][1]) + 1,
        )
    )


class History:
    """What undo and redo of a layer bring back."""

    def __init__(self) -> None:
        self._undo: list[tuple[Mask, Array, Array]] = []
        self._redo: list[tuple[Mask, Array, Array]] = []

    def add(self, before: Array, after: Array) -> None:
        """Note what one thing that the person did has changed."""
        changed = before != after
        if changed.any():
            self._undo.append((changed, before[changed], after[changed]))
            self._redo.clear()

    def undo(self, data: Array) -> None:
        """Put back the values before the last step, only where it changed."""
        if self._undo:
            changed, before, after = self._undo.pop()
            self._redo.append((changed, before, after))
            data[changed] = before

    def redo(self, data: Array) -> None:
        """Do again what was undone last."""
        if self._redo:
            changed, before, after = self._redo.pop()
            self._undo.append((changed, before, after))
            data[changed] = after


class Pixels:
    """A layer's labels, and what the model wrote last.

    Parameters
    ----------
    shape : tuple of int
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.data: Array = np.zeros(shape, np.int64)
        self.model: Array = np.zeros(shape, np.int64)

    def copies(self) -> tuple[Array, Array]:
        """Return both as they are now."""
        return self.data.copy(), self.model.copy()

    def is_edited(self, at: Place) -> bool:
        """Return whether a pixel is the person's."""
        return bool(self.data[at] != self.model[at])

    def may_write(self, at: Place, mode: str, memory: Memory) -> bool:
        """Return whether a mode lets the model write to a pixel."""
        if mode == 'everywhere':
            return True
        if mode == 'unedited' or at in memory:
            return not self.is_edited(at)
        return bool(self.data[at] == 0)

    def write(
        self,
        at: Place,
        value: int,
        mode: str,
        locked: set[int],
        memory: Memory,
        since: Memory | None = None,
    ) -> None:
        """Let the model say what a pixel is.

        What it wrote since a step was resumed is in a memory of its own.
        """
        since = memory if since is None else since
        now, model = int(self.data[at]), int(self.model[at])
        if (
            value == now
            or {value, now} & locked
            or not self.may_write(at, mode, since)
        ):
            return
        if at not in memory:
            memory[at] = (now, model)
        elif now != model:
            # An edit that was made since: that is what comes back.
            memory[at] = (now, memory[at][1])
        since.setdefault(at, (now, model))
        self.data[at] = self.model[at] = value

    def put_back(self, memory: Memory, locked: set[int]) -> None:
        """Take back what is remembered, but no edit and no locked class."""
        # A plane without a class: 0 meant nothing then.
        was_empty = {
            plane
            for plane in range(len(self.data))
            if not any(
                was for at, (was, _) in memory.items() if at[0] == plane
            )
        }
        for at, (was, model) in memory.items():
            fixed = locked - {0} if at[0] in was_empty else locked
            if not self.is_edited(at):
                if {was, int(self.data[at])} & fixed:
                    continue
                self.data[at] = was
            self.model[at] = model


def join(earlier: Memory, later: Memory) -> None:
    """Make the first of two memories in a row one of both."""
    for at, (was, model) in later.items():
        if at not in earlier:
            earlier[at] = (was, model)
        elif was != model:
            earlier[at] = (was, earlier[at][1])
