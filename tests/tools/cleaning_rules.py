"""What every pixel of a plane should be while a clean-up is written to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_naclip.engine.types import Region
from napari_naclip.layers import tidied
from napari_naclip.layers.labels import Result
from napari_naclip.layers.tidied import write_clean
from napari_naclip.ui.steps import ChangeSteps
from pixel_rules import Array, Mask, Memory, Pixels


@dataclass
class Tidy:
    """A clean-up that wants some labels."""

    labels: Array

    def apply(self, labels: Any, _is_stopped: Any) -> Any:
        """Return them."""
        return self.labels.astype(labels.dtype)


def clean_at_once(
    result: Result, plane: int, region: Region, wanted: Array, locked: set[int]
) -> None:
    """Write a clean-up that wants some labels in a region of a plane."""
    before = result.labels.data[plane].copy()
    after = before.copy()
    after[region.slices] = wanted
    at = (plane, slice(None), slice(None))
    for _ in write_clean(result, at, before, after, lambda: locked):
        pass


class Cleaning:
    """A clean-up that is written in steps, as one step of Revert.

    Parameters
    ----------
    result : Result
    plane : tuple of int or slice
        The first of the pixels.
    before, after : (rows, columns) array
    pixels : Pixels
        What is there, by rules.
    locked : set of int
        May change.
    steps : ChangeSteps
        Of clean-ups.

    Attributes
    ----------
    memory : dict
        What it has overwritten.
    """

    def __init__(
        self,
        result: Result,
        plane: tuple[int | slice, ...],
        before: Array,
        after: Array,
        *,
        pixels: Pixels,
        locked: set[int],
        steps: ChangeSteps,
    ) -> None:
        self.memory = Memory()
        self._result = result
        self._before, self._after = before, after
        self._pixels, self._locked, self._steps = pixels, locked, steps
        self._wanted = np.zeros(before.shape, bool)
        self._kept = np.zeros(before.shape, bool)
        rows = max(1, tidied._PIECE // before.shape[1])
        self._bands = [slice(n, n + rows) for n in range(0, len(before), rows)]
        self._to_compare = [*self._bands]
        self._to_write = [*self._bands]
        self._locked_then: set[int] | None = None
        steps.forget()
        self._writing = write_clean(
            result, plane, before, after, lambda: locked
        )

    def close(self) -> None:
        """Leave what is not written."""
        self._writing.close()

    def go_on(self, accepted: Mask) -> bool:
        """Do a step, and what its rules say; return whether it was the last.

        Parameters
        ----------
        accepted : (rows, columns) bool array
            Pixels that the person said are right.
        """
        if not self._steps.is_last(self._result):
            # Reverted, or something else was written.
            self.close()
            return True
        if not self._to_compare and self._locked_then != self._locked:
            # Classes were locked or unlocked: all over again.
            self._locked_then = self._locked.copy()
            self._to_write = [*self._bands]
            self._kept[:] = False
        counts = None
        try:
            with self._steps.writing(self._result):
                next(self._writing)
                while not (self._to_compare or self._to_write):
                    # Counting changes nothing.
                    next(self._writing)
        except StopIteration as stop:
            counts = stop.value
        data = self._pixels.data[0]
        if self._to_compare:
            rows = self._to_compare.pop(0)
            self._wanted[rows] = (self._before != self._after)[rows]
            self._wanted[rows] &= (self._before == data)[rows]
        elif self._to_write:
            self._write(self._to_write.pop(0), accepted)
        else:
            changed = self._wanted & (data == self._after)
            assert counts == (changed.sum(), self._kept.sum())
        return counts is not None

    def _write(self, rows: slice, accepted: Mask) -> None:
        pixels, wanted = self._pixels, np.zeros_like(self._wanted)
        wanted[rows] = self._wanted[rows]
        wanted &= pixels.data[0] != self._after
        edited = (pixels.data[0] != pixels.model[0]) | accepted
        self._kept |= wanted & edited
        for at in zip(*np.nonzero(wanted & ~accepted), strict=True):
            value = int(self._after[at])
            pixels.write(
                (0, *at), value, 'unedited', self._locked, self.memory
            )
