"""Which pixels were the model's before the person painted them.

napari's undo puts back the label that stood there then. Where that was the
model's, what the model says by now is shown instead; and what is done again is
an edit again. Where a release of napari keeps its history elsewhere, its own
way stays.
"""

from __future__ import annotations

import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.layers.underneath import cover, uncover

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_naclip.layers.labels import Result

    Mask = npt.NDArray[np.bool_]
    Box = tuple[slice, ...]


@dataclass(slots=True, eq=False)
class _Stroke:
    """A step of napari's history.

    Attributes
    ----------
    step : list
        The very one, as it is in the undo or the redo history.
    at : tuple of slice
        A block with all of its pixels.
    is_models : array
        Which of them were the model's, eight in a byte.
    """

    step: list[Any]
    at: Box
    is_models: npt.NDArray[np.uint8] = field(repr=False)

    @property
    def mask(self) -> Mask:
        """Which of the block's pixels were the model's."""
        shape = _shape_of(self.at)
        bits = np.unpackbits(self.is_models, count=int(np.prod(shape)))
        return bits.astype(bool).reshape(shape)

    @mask.setter
    def mask(self, mask: Mask) -> None:
        self.is_models = np.packbits(mask)

    def is_one_of(self, history: Sequence[list[Any]], first: int) -> bool:
        """Return whether it is a step of a history.

        Parameters
        ----------
        history : sequence
        first : {0, -1}
            Where a step begins: one that was undone is kept the other way
            round. Its parts are the same.
        """
        return bool(self.step) and any(
            each and each[first] is self.step[0] for each in history
        )


class Strokes:
    """Watches what is painted on a result's layer, undone, and done again.

    Parameters
    ----------
    result : Result
        Held weakly; holds this.
    """

    def __init__(self, result: Result) -> None:
        self._result = weakref.ref(result)
        self._done: list[_Stroke] = []
        self._undone: list[_Stroke] = []
        events = result.labels.events
        events.paint.connect(self._on_painted)
        events.set_data.connect(self._on_refreshed)

    def look(self) -> None:
        """Take in what was undone and done again since the last time."""
        self._look(0)

    def _look(self, new: int) -> None:
        """Do so, but for so many steps that were done last."""
        result = self._result()
        if result is None:
            return
        layer = getattr(result.labels, '__wrapped__', result.labels)
        undo = getattr(layer, '_undo_history', None)
        redo = getattr(layer, '_redo_history', None)
        if not isinstance(undo, deque) or not isinstance(redo, deque):
            return
        done, undone = list(undo)[: len(undo) - new], list(redo)
        has_changed = False
        while self._done and not self._done[-1].is_one_of(done, 0):
            last = self._done.pop()
            if last.is_one_of(undone, -1):
                has_changed |= self._take_back(result, last)
                self._undone.append(last)
            elif self._done and last.step:
                self._join(self._done[-1], last)
        while self._undone and not self._undone[-1].is_one_of(undone, -1):
            last = self._undone.pop()
            if last.is_one_of(done, 0):
                self._do_again(result, last)
                self._done.append(last)
        del self._done[: max(0, len(self._done) - len(done))]
        if has_changed:
            result.labels.refresh(extent=False)

    def forget(self, at: Sequence[int | slice], where: Mask) -> None:
        """Note that the model wrote over edits: they are not to be undone.

        What an undo brings back there is the person's wish.

        Parameters
        ----------
        at : sequence of int or slice
            What selects the block.
        where : bool array
            Which of its pixels.
        """
        result = self._result()
        if result is None or not self._done:
            return
        box = _to_box(at, result.labels.data.shape)
        where = where.reshape(_shape_of(box))
        for stroke in self._done:
            common = tuple(
                slice(max(a.start, b.start), min(a.stop, b.stop))
                for a, b in zip(box, stroke.at, strict=True)
            )
            if all(each.start < each.stop for each in common):
                mask = stroke.mask
                mask[_within(common, stroke.at)] &= ~where[
                    _within(common, box)
                ]
                stroke.mask = mask

    def _on_painted(self, event: Any) -> None:
        # It tells of a step that is in the history already.
        self._look(1)
        result = self._result()
        if result is None or not event.value:
            return
        stroke = _read_stroke(result, event.value)
        if stroke is None:
            # What came before cannot be told apart any more.
            self._done.clear()
        else:
            self._done.append(stroke)

    def _on_refreshed(self, _event: object = None) -> None:
        self.look()

    def _join(self, earlier: _Stroke, later: _Stroke) -> None:
        """Let a step that was made part of the one before it be part of it."""
        if not any(each is later.step[0] for each in earlier.step):
            return
        at = _hull([earlier.at, later.at])
        mask = np.zeros(_shape_of(at), bool)
        for stroke in (earlier, later):
            mask[_within(stroke.at, at)] |= stroke.mask
        earlier.at = at
        earlier.mask = mask

    def _take_back(self, result: Result, stroke: _Stroke) -> bool:
        mask = self._find_mask(result, stroke)
        return mask is not None and uncover(result, stroke.at, mask)

    def _do_again(self, result: Result, stroke: _Stroke) -> None:
        mask = self._find_mask(result, stroke)
        if mask is None:
            return
        atoms = list(_read_atoms(stroke.step))
        # Their blocks may be larger than what they changed.
        whole = _hull([stroke.at, *(at for at, _, _ in atoms)])
        before = np.zeros(_shape_of(whole), result.written.dtype)
        for at, touched, old in atoms:
            before[_within(at, whole)][touched] = old[touched]
        cover(result, stroke.at, before[_within(stroke.at, whole)], mask)

    @staticmethod
    def _find_mask(result: Result, stroke: _Stroke) -> Mask | None:
        """Return which pixels were the model's; None: none, or unknown."""
        shape = tuple(result.labels.data.shape)
        if shape != tuple(result.written.shape) or any(
            each.stop > length
            for each, length in zip(stroke.at, shape, strict=True)
        ):
            return None
        mask = stroke.mask
        return mask if mask.any() else None


def _read_stroke(result: Result, step: list[Any]) -> _Stroke | None:
    """Return what a step has changed; None if that is not to be told."""
    try:
        atoms = list(_read_atoms(step))
        at = _hull([each for each, _, _ in atoms])
        mask = np.zeros(_shape_of(at), bool)
        for own, touched, old in atoms:
            part = mask[_within(own, at)]
            is_models = old == np.asarray(result.written[own])
            # What is painted twice stood there before the first time.
            np.copyto(part, is_models, where=touched)
    except (TypeError, ValueError, IndexError):
        return None
    return _Stroke(step, at, np.packbits(mask))


def _read_atoms(
    step: list[Any],
) -> Iterator[tuple[Box, Mask, npt.NDArray[Any]]]:
    """Yield each block of a step, what was changed in it, and from what.

    The last one first.
    """
    for atom in reversed(step):
        at = getattr(atom, 'slice_key', None)
        if at is None:
            # Before napari 0.8, and of ``data_setitem``: indices.
            indices, old_values, _ = atom
            at = tuple(
                slice(int(np.min(axis)), int(np.max(axis)) + 1)
                for axis in indices
            )
            touched = np.zeros(_shape_of(at), bool)
            own = tuple(
                np.asarray(axis) - each.start
                for axis, each in zip(indices, at, strict=True)
            )
            old = np.zeros(touched.shape, np.asarray(old_values).dtype)
            touched[own] = True
            old[own] = old_values
        else:
            shape = _shape_of(at)
            if atom.mask is None:
                touched = np.ones(shape, bool)
                old = np.asarray(atom.old_values).reshape(shape)
            else:
                touched = np.asarray(atom.mask).reshape(shape)
                old = np.zeros(shape, np.asarray(atom.old_values).dtype)
                old[touched] = atom.old_values
        yield tuple(at), touched, old


def _shape_of(box: Sequence[slice]) -> tuple[int, ...]:
    return tuple(each.stop - each.start for each in box)


def _hull(boxes: Sequence[Box]) -> Box:
    """Return the block around others."""
    return tuple(
        slice(min(each.start for each in axis), max(e.stop for e in axis))
        for axis in zip(*boxes, strict=True)
    )


def _within(box: Box, outer: Box) -> Box:
    """Return what selects a block in an array of another around it."""
    return tuple(
        slice(a.start - b.start, a.stop - b.start)
        for a, b in zip(box, outer, strict=True)
    )


def _to_box(at: Sequence[int | slice], shape: Sequence[int]) -> Box:
    return tuple(
        slice(*each.indices(length)[:2])
        if isinstance(each, slice)
        else slice(each, each + 1)
        for each, length in zip(at, shape, strict=True)
    )
