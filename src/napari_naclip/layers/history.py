"""One step of napari's undo for what is written a piece at a time.

A Labels layer makes a step of every ``data_setitem``, of at most a hundred,
and keeps an index of 8 bytes an axis for every pixel. Here the pieces become
one step, which keeps a mask. Where a release of napari has no such steps, or
keeps them elsewhere, its own way stays.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers.labels import labels as napari_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from napari.layers import Labels

    Values = npt.NDArray[Any]
    Mask = npt.NDArray[np.bool_]

#: Private: napari's step of a mask, from 0.8 on.
_MaskedStep: Any = getattr(napari_labels, '_MaskedPaintAtom', None)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Pixels of a block that changed, and what they were.

    Attributes
    ----------
    at : tuple of slice
        The block, along all axes of the layer.
    mask : bool array
        Which of its pixels, in its shape.
    before : array
        Their values before, one for each of them; takes no room where they
        are all the same.
    """

    at: tuple[slice, ...]
    mask: Mask = field(repr=False)
    before: Values = field(repr=False)

    @classmethod
    def of(
        cls, at: Sequence[int | slice], mask: Mask, before: Values
    ) -> Piece:
        """Return a piece; the mask and the values are its own from now on.

        Parameters
        ----------
        at : sequence of int or slice
            With a slice for each axis of the mask.
        mask : (rows, columns) bool array
        before : (n,) array
        """
        block = tuple(
            i if isinstance(i, slice) else slice(i, i + 1) for i in at
        )
        sides = iter(mask.shape)
        shape = [next(sides) if isinstance(i, slice) else 1 for i in at]
        return cls(block, mask.reshape(shape), shrunk(before))

    def indices(self) -> tuple[npt.NDArray[np.intp], ...]:
        """Return the indices of its pixels in the layer."""
        return tuple(
            along + (each.start or 0)
            for along, each in zip(np.nonzero(self.mask), self.at, strict=True)
        )


def shrunk(values: Values) -> Values:
    """Return the same values, without room where they are all the same."""
    if len(values) and (values == values[0]).all():
        return np.broadcast_to(values[0].copy(), values.shape)
    return values.copy()


class UndoStep:
    """One step of a layer's undo; see the module.

    It ends where the person does something in between.

    Parameters
    ----------
    layer : napari.layers.Labels
    """

    def __init__(self, layer: Labels) -> None:
        self._layer = layer
        history = getattr(
            getattr(layer, '__wrapped__', layer), '_undo_history', None
        )
        self._history = history if isinstance(history, deque) else None
        #: What is in the history of this step.
        self._own: list[Any] | None = None

    def set(self, piece: Piece, value: int | Values) -> None:
        """Give the pixels of a piece a value, or one each."""
        history = self._history
        last = history[-1] if history else None
        self._layer.data_setitem(piece.indices(), value)
        if not history or history[-1] is last:
            # Nothing has changed, or it belongs to a stroke under way.
            return
        made = history[-1]
        if _MaskedStep is not None:
            made[:] = [_to_step(piece, value)]
        is_ours = last is self._own
        if last is not None and is_ours:
            last.extend(made)
            history.pop()
        else:
            self._own = made


def _to_step(piece: Piece, value: int | Values) -> Any:
    before = piece.before
    mask: Mask | None = piece.mask
    if piece.mask.all():
        # As napari has it: a whole block needs no mask.
        mask, shape = None, piece.mask.shape
        if before.strides == (0,):
            before = np.broadcast_to(before[0], shape)
        else:
            before = before.reshape(shape)
        if isinstance(value, np.ndarray):
            value = value.reshape(shape)
    return _MaskedStep(
        slice_key=piece.at, mask=mask, old_values=before, new_value=value
    )
