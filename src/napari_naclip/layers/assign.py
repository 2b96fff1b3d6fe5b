"""Give a part of a result a class, as if the person had painted it.

It goes through the layer's own history, so that napari's undo knows of it;
and it can be taken back whatever has been painted since.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_naclip.engine.outputs import zeros
from napari_naclip.engine.types import Region
from napari_naclip.layers.blocks import find_locked, put
from napari_naclip.layers.edits import block_of
from napari_naclip.layers.history import Piece, UndoStep, shrunk
from napari_naclip.layers.underneath import present_model, uncover
from napari_naclip.layers.written import share_written

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import numpy.typing as npt

    from napari_naclip.layers.labels import Result

#: Pixels that are set at a time: some milliseconds.
_PIECE: Final = 200_000


@dataclass(slots=True, eq=False)
class Assignment:
    """What a part of a result got, and what stood there.

    Attributes
    ----------
    result : Result
    value : int
        What its pixels got.
    pieces : list of Piece
        Pixels that changed, and their values before.
    """

    result: Result
    value: int
    pieces: list[Piece] = field(default_factory=list, repr=False)

    @property
    def pixels(self) -> int:
        """How many pixels changed."""
        return sum(len(piece.before) for piece in self.pieces)


@dataclass(slots=True, eq=False)
class Acceptance:
    """Which pixels of a result were said to be right, and were not before.

    Attributes
    ----------
    result : Result
    pieces : list of (index, bool array)
        Blocks of the layer, and which of their pixels.
    """

    result: Result
    pieces: list[tuple[tuple[int | slice, ...], npt.NDArray[np.bool_]]] = (
        field(default_factory=list, repr=False)
    )


def assign(
    result: Result,
    plane: Sequence[int | slice],
    region: Region,
    mask: npt.NDArray[np.bool_],
    assignment: Assignment,
    locked: Collection[int] = frozenset(),
) -> Iterator[None]:
    """Give the pixels of a mask a value; yield after each piece.

    Pixels that the person edited or accepted before stay as they are. For
    napari's undo it is one step.

    Parameters
    ----------
    result : Result
    plane : sequence of int or slice
        Of its layer; see ``areas.shown_plane``.
    region : Region
        Where the mask lies in the plane, along the axes of the data.
    mask : (rows, columns) bool array
    assignment : Assignment
        Takes in what changes; holds the value.
    locked : collection of int
        Values of locked classes: neither overwritten nor extended.
    """
    layer, value = result.labels, assignment.value
    if value in locked:
        return
    undo = UndoStep(layer)
    for at, part in _pieces(plane, region, mask):
        now = np.asarray(layer.data[at])
        changes = now == np.asarray(result.written[at])
        changes &= part
        changes &= now != value
        changes &= ~find_locked(locked, now)
        if result.accepted is not None:
            changes &= ~np.asarray(result.accepted[at])
        if changes.any():
            piece = Piece.of(at, changes, now[changes])
            assignment.pieces.append(piece)
            undo.set(piece, value)
        yield


def take_back(
    assignment: Assignment, locked: Collection[int] = frozenset()
) -> Iterator[None]:
    """Give what was assigned back to the model; yield after each piece.

    Only what the model labeled was assigned, so that it gets what the model
    says by now: that is what stood there, or what a later run or setting
    would have written. Where something else was painted since, that stays.
    Where it fails, it can be called again for the rest.

    Parameters
    ----------
    assignment : Assignment
        Loses what is taken back.
    locked : collection of int
        Values of locked classes: neither overwritten nor extended.
    """
    result = assignment.result
    layer = result.labels
    undo = UndoStep(layer)
    while assignment.pieces:
        piece = assignment.pieces[-1]
        now = np.asarray(layer.data[piece.at])
        ours = piece.mask & (now == assignment.value)
        model = present_model(result, piece.at)
        written = np.asarray(result.written[piece.at])
        ours &= now != written
        if result.accepted is not None:
            # Where it may not write, its newest answer counts no more.
            model = np.where(result.accepted[piece.at], written, model)
        ours &= ~find_locked(locked, now, model)
        # Where the model agrees by now there is nothing to take back.
        moved = ours & (model != now)
        if moved.any():
            undo.set(
                Piece(piece.at, moved, shrunk(now[moved])),
                shrunk(model[moved]),
            )
        uncover(result, piece.at, ours)
        # Not before it is written: a failure must not lose it.
        assignment.pieces.pop()
        yield


def accept(
    result: Result,
    plane: Sequence[int | slice],
    region: Region,
    mask: npt.NDArray[np.bool_],
    acceptance: Acceptance | None = None,
    label: int | None = None,
) -> Iterator[None]:
    """Say that the labels of a mask's pixels are right.

    In steps; see ``assign``. A later run or setting leaves them as they are.

    Parameters
    ----------
    result : Result
    plane : sequence of int or slice
    region : Region
    mask : (rows, columns) bool array
    acceptance : Acceptance, optional
        Takes in which pixels were not accepted before.
    label : int, optional
        Only pixels with it; all by default.
    """
    for at, part in _pieces(plane, region, mask):
        new = part.copy()
        if label is not None:
            new &= np.asarray(result.labels.data[at]) == label
        if result.accepted is not None:
            new &= ~np.asarray(result.accepted[at])
        if new.any():
            if result.accepted is None:
                result.accepted = zeros(tuple(result.labels.data.shape), bool)
                share_written(result)
            if acceptance is not None:
                acceptance.pieces.append((at, new))
            put(result.accepted, at, np.ones_like(new), new)
            result.tell_changed(at)
        yield


def withdraw(
    acceptance: Acceptance, locked: Collection[int] = frozenset()
) -> Iterator[None]:
    """Take back what was said to be right, in steps; see ``take_back``.

    Where nobody has painted, labels are what the model says by now: it may
    have come to say something else, and was kept from writing that. What
    another answer accepted before stays accepted.
    """
    result = acceptance.result
    has_changed = False
    try:
        while acceptance.pieces:
            at, mask = acceptance.pieces[-1]
            if result.accepted is not None:
                put(result.accepted, at, np.zeros_like(mask), mask)
                now = np.asarray(result.labels.data[at])
                model = present_model(result, at)
                held = mask & (now == np.asarray(result.written[at]))
                held &= (now != model) & ~find_locked(locked, now, model)
                if held.any():
                    has_changed |= uncover(result, at, held)
                else:
                    result.tell_changed(at)
            acceptance.pieces.pop()
            yield
    finally:
        if has_changed:
            result.labels.refresh(extent=False)


def _pieces(
    plane: Sequence[int | slice],
    region: Region,
    mask: npt.NDArray[np.bool_],
) -> Iterator[tuple[tuple[int | slice, ...], npt.NDArray[np.bool_]]]:
    """Yield blocks of a layer, a piece each, and the mask's part of them."""
    step = max(1, _PIECE // max(1, mask.shape[1]))
    for start in range(0, len(mask), step):
        part = mask[start : start + step]
        top = region.top + start
        yield (
            block_of(
                plane, Region(top, region.left, top + len(part), region.right)
            ),
            part,
        )
