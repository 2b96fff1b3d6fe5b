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
from napari_naclip.layers.edits import block_of
from napari_naclip.layers.history import Piece, UndoStep, shrunk
from napari_naclip.layers.written import share_written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


def assign(
    result: Result,
    plane: Sequence[int | slice],
    region: Region,
    mask: npt.NDArray[np.bool_],
    assignment: Assignment,
) -> Iterator[None]:
    """Give the pixels of a mask a value; yield after each piece.

    Pixels that the person edited before stay as they are. For napari's undo
    it is one step.

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
    """
    layer, value = result.labels, assignment.value
    undo = UndoStep(layer)
    step = max(1, _PIECE // max(1, mask.shape[1]))
    for start in range(0, len(mask), step):
        part = mask[start : start + step]
        top = region.top + start
        at = block_of(
            plane, Region(top, region.left, top + len(part), region.right)
        )
        now = np.asarray(layer.data[at])
        changes = now == np.asarray(result.written[at])
        changes &= part
        changes &= now != value
        if changes.any():
            piece = Piece.of(at, changes, now[changes])
            assignment.pieces.append(piece)
            undo.set(piece, value)
        yield


def accept(
    result: Result,
    plane: Sequence[int | slice],
    region: Region,
    mask: npt.NDArray[np.bool_],
    *,
    is_right: bool = True,
) -> Iterator[None]:
    """Say that the labels of a mask's pixels are right, or take it back.

    In steps; see ``assign``. A later run or setting leaves them as they are.
    """
    if result.accepted is None:
        result.accepted = zeros(tuple(result.labels.data.shape), bool)
        share_written(result)
    step = max(1, _PIECE // max(1, mask.shape[1]))
    for start in range(0, len(mask), step):
        part = mask[start : start + step]
        top = region.top + start
        at = block_of(
            plane, Region(top, region.left, top + len(part), region.right)
        )
        block = np.asarray(result.accepted[at])
        result.accepted[at] = block | part if is_right else block & ~part
        result.tell_accepted(at)
        yield


def take_back(assignment: Assignment) -> Iterator[None]:
    """Put back what stood there; yield after each piece.

    Where something else was painted since, that stays.
    """
    layer = assignment.result.labels
    undo = UndoStep(layer)
    while assignment.pieces:
        piece = assignment.pieces.pop()
        now = np.asarray(layer.data[piece.at])
        ours = piece.mask & (now == assignment.value)
        if ours.any():
            back = shrunk(piece.before[ours[piece.mask]])
            undo.set(Piece(piece.at, ours, shrunk(now[ours])), back)
        yield
