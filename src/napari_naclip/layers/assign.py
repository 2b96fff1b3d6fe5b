"""Give a part of a result a class, as if the person had painted it.

It goes through the layer's own history, so that napari's undo knows of it;
and it can be taken back whatever has been painted since.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.engine.outputs import zeros
from napari_naclip.layers.edits import block_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_naclip.engine.types import Region
    from napari_naclip.layers.labels import Result

    Indices = tuple[npt.NDArray[np.intp], ...]

#: Pixels that are set at a time: some milliseconds.
_PIECE: Final = 400_000


@dataclass(slots=True, eq=False)
class Assignment:
    """What a part of a result got, and what stood there.

    Attributes
    ----------
    result : Result
    value : int
        What its pixels got.
    pieces : list
        Indices of pixels that changed, and their values before.
    """

    result: Result
    value: int
    pieces: list[tuple[Indices, npt.NDArray[Any]]] = field(
        default_factory=list, repr=False
    )

    @property
    def pixels(self) -> int:
        """How many pixels changed."""
        return sum(len(before) for _, before in self.pieces)


def assign(
    result: Result,
    plane: Sequence[int | slice],
    region: Region,
    mask: npt.NDArray[np.bool_],
    assignment: Assignment,
) -> Iterator[None]:
    """Give the pixels of a mask a value; yield after each piece.

    Pixels that the person edited before stay as they are.

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
    step = max(1, _PIECE // max(1, mask.shape[1]))
    for start in range(0, len(mask), step):
        part = mask[start : start + step]
        top = region.top + start
        spans = iter(
            (
                slice(top, top + len(part)),
                slice(region.left, region.right),
            )
        )
        at = tuple(next(spans) if isinstance(i, slice) else i for i in plane)
        now = np.asarray(layer.data[at])
        is_free = now == np.asarray(result.written[at])
        rows, columns = np.nonzero(part & is_free & (now != value))
        if len(rows):
            along = iter((rows + top, columns + region.left))
            indices = tuple(
                next(along)
                if isinstance(i, slice)
                else np.full(len(rows), i, np.intp)
                for i in plane
            )
            assignment.pieces.append((indices, now[rows, columns].copy()))
            layer.data_setitem(indices, value)
        yield


def accept(
    result: Result,
    plane: Sequence[int | slice],
    region: Region,
    mask: npt.NDArray[np.bool_],
    *,
    is_right: bool = True,
) -> None:
    """Say that the labels of a mask's pixels are right, or take it back.

    See ``assign``. A later run or setting leaves them as they are.
    """
    if result.accepted is None:
        result.accepted = zeros(tuple(result.labels.data.shape), bool)
    at = block_of(plane, region)
    block = result.accepted[at]
    result.accepted[at] = block | mask if is_right else block & ~mask


def take_back(assignment: Assignment) -> Iterator[None]:
    """Put back what stood there; yield after each piece.

    Where something else was painted since, that stays.
    """
    layer = assignment.result.labels
    while assignment.pieces:
        indices, before = assignment.pieces.pop()
        now = np.asarray(layer.data[indices])
        ours = now == assignment.value
        layer.data_setitem(tuple(axis[ours] for axis in indices), before[ours])
        yield
