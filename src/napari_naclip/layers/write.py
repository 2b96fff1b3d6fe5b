"""Where model labels go into a layer: modes, edits and locks.

A person's edit is where the layer differs from what the model wrote last.
That knows every brush, undo and other plugins; and three cases follow from
it. A pixel that was painted back to the model's own label is the model's
again. One that the model comes to agree with stays the person's. And an undo
after a run that went over edits brings an old label back, which counts as an
edit: it is what the person asked for, and ``edits.forget`` gives it to the
model. Any other undo shows what the model says by now (see ``strokes``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_naclip.engine.outputs import least_rows, row_bands, widened
from napari_naclip.engine.types import Region
from napari_naclip.layers.blocks import find_locked, put
from napari_naclip.layers.checkpoint import forget_accepted, remember
from napari_naclip.layers.placing import (
    block_bands,
    intersect,
    layer_bands,
    place_of,
    wanted_in,
)
from napari_naclip.layers.underneath import (
    forget_notes,
    note_answer,
    present_model,
)
from napari_naclip.layers.written import share_written

if TYPE_CHECKING:
    from collections.abc import Collection, Generator

    import numpy.typing as npt

    from napari_naclip.layers.labels import Result
    from napari_naclip.layers.snapshot import PlaneSnapshot

    Mask = npt.NDArray[np.bool_]
    Index = tuple[int | slice, ...]

#: Where the model may write: where nobody has edited; into pixels that are 0,
#: those that were erased too; or over edits as well.
WriteMode = Literal['unedited', 'background', 'everywhere']


def write_region(
    result: Result,
    snapshot: PlaneSnapshot,
    labels: npt.NDArray[np.unsignedinteger],
    region: Region | None = None,
    mask: Mask | None = None,
    locked: Collection[int] = frozenset(),
    mode: WriteMode = 'unedited',
) -> int:
    """Write at once what ``write_steps`` writes; return what it returns."""
    return finish(
        write_steps(result, snapshot, labels, region, mask, locked, mode)
    )


def write_steps(
    result: Result,
    snapshot: PlaneSnapshot,
    labels: npt.NDArray[np.unsignedinteger],
    region: Region | None = None,
    mask: Mask | None = None,
    locked: Collection[int] = frozenset(),
    mode: WriteMode = 'unedited',
    *,
    is_answer: bool = True,
) -> Generator[None, None, int]:
    """Write labels where the mode lets the model; return edits kept.

    In place, which leaves the layer's undo history usable. Nothing outside
    the snapshot's own region and mask is written, and no pixel of a locked
    class changes or is added, whatever the mode.

    Parameters
    ----------
    result : Result
    snapshot : PlaneSnapshot
    labels : (H, W) uint8 or uint16 array
        As displayed.
    region : Region, optional
        Where they lie in what the snapshot's ``read`` returns. Default: the
        labels are of the snapshot's region, or of its plane if it has none;
        their size tells which.
    mask : (H, W) bool array, optional
        Which of them to write; all by default.
    locked : collection of int
        Values of locked classes.
    mode : {'unedited', 'background', 'everywhere'}
        See ``WriteMode``. What a checkpoint that is open has seen written
        may be written again in the second one, too: a preview is no obstacle
        to what follows it.
    is_answer : bool
        Whether it is what the model says, under edits as well.

    Yields
    ------
    None
        After each band, a millisecond or so; seen when all are written, or
        when the rest is left.

    Returns
    -------
    int
        Edited pixels that would have changed.

    Raises
    ------
    ValueError
        If the labels do not have the size of where they lie.
    """
    place = place_of(snapshot, labels, region)
    kept = 0
    changed: list[Index] = []
    try:
        # All rows at once but of labels on the disk.
        for rows in row_bands(labels):
            inner = intersect(
                Region(
                    place.top + rows.start,
                    place.left,
                    place.top + rows.stop,
                    place.right,
                ),
                snapshot.region,
            )
            if inner is None:
                continue
            own = (
                slice(inner.top - place.top, inner.bottom - place.top),
                slice(inner.left - place.left, inner.right - place.left),
            )
            wanted = wanted_in(
                snapshot, inner, None if mask is None else mask[own]
            )
            kept += yield from _write_bands(
                result,
                snapshot.index_of(inner),
                snapshot.orient(labels[own]),
                None if wanted is None else snapshot.orient(wanted),
                locked,
                mode,
                changed,
                is_answer=is_answer,
            )
    finally:
        # What is left half done is seen, too.
        _show(result, changed)
    return kept


def write_block(
    result: Result,
    at: Index,
    new: npt.NDArray[np.integer],
    wanted: Mask | None = None,
    locked: Collection[int] = frozenset(),
    mode: WriteMode = 'unedited',
) -> int:
    """Write labels to a block of a layer; see ``write_steps``.

    Parameters
    ----------
    result : Result
    at : tuple of int or slice
        What selects the block, with two slices.
    new : (rows, columns) array
        Along the axes of the layer.
    wanted : (rows, columns) bool array, optional
    locked : collection of int
    mode : WriteMode
    """
    changed: list[Index] = []
    try:
        return finish(
            _write_bands(result, at, new, wanted, locked, mode, changed)
        )
    finally:
        _show(result, changed)


def give_back_steps(
    result: Result,
    at: Index,
    wanted: Mask | None = None,
    locked: Collection[int] = frozenset(),
) -> Generator[None, None, None]:
    """Write what the model says by now into a block, over all edits.

    Labels that were accepted, and are no more, become that, too.

    In steps, a millisecond or so; see ``write_steps``.

    Parameters
    ----------
    result : Result
    at : tuple of int or slice
        What selects the block, with two slices.
    wanted : (rows, columns) bool array, optional
    locked : collection of int
    """
    result.strokes.look()
    _make_room(result, result.written.dtype)
    changed: list[Index] = []
    first = 0
    try:
        for part in block_bands(at, result.labels.data, result.written):
            target = np.asarray(result.labels.data[part])
            model = present_model(result, part)
            rows = slice(first, first + len(model))
            first = rows.stop
            changes = target != result.written[part]
            changes |= target != model
            if wanted is not None:
                changes &= wanted[rows]
            changes &= ~find_locked(locked, target, model)
            if changes.any():
                forget_notes(result, part, changes)
                remember(result, part, target, changes)
                forget_accepted(result, part, changes)
                put(result.labels.data, part, model, changes)
                put(result.written, part, model, changes)
                changed.append(part)
            yield
    finally:
        _show(result, changed)


def finish(steps: Generator[None, None, int]) -> int:
    """Do all steps at once; return what they return."""
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        kept: int = stop.value
        return kept


def _show(result: Result, changed: list[Index]) -> None:
    for at in changed:
        result.tell_written(at)
    if changed:
        result.labels.refresh(extent=False)


def _write_bands(
    result: Result,
    at: Index,
    new: npt.NDArray[np.integer],
    wanted: Mask | None,
    locked: Collection[int],
    mode: WriteMode,
    changed: list[Index],
    *,
    is_answer: bool = False,
) -> Generator[None, None, int]:
    """Write a block band by band; note where something has changed.

    Of an answer it is noted what it says where edits, and what was accepted,
    stay.
    """
    result.strokes.look()
    _make_room(result, new.dtype)
    kept = 0
    # What is made on the way then stays in the processor's cache.
    for band, part in layer_bands(
        at, new.shape, least_rows(result.labels.data)
    ):
        target = np.asarray(result.labels.data[part])
        is_new = None
        if mode == 'background' and result.checkpoint is not None:
            journal = result.checkpoint
            is_new = (
                journal.is_touched
                if journal.is_new is None
                else journal.is_new
            )[part]
        is_edited = target != result.written[part]
        here = None if wanted is None else wanted[band]
        accepted = None if result.accepted is None else result.accepted[part]
        more, changes = _find_changes(
            target,
            is_edited,
            new[band],
            here,
            locked,
            mode,
            is_new,
            accepted,
        )
        kept += more
        if is_answer:
            if changes is not None and mode != 'unedited':
                result.strokes.forget(part, changes & is_edited)
            is_held = is_edited
            if accepted is not None:
                is_held = is_held | accepted
            note_answer(
                result,
                part,
                is_held if changes is None else is_held & ~changes,
                new[band],
                here,
                locked,
                mode,
            )
        elif changes is not None:
            forget_notes(result, part, changes)
        if changes is not None:
            remember(result, part, target, changes)
            if mode == 'everywhere':
                forget_accepted(result, part, changes)
            put(result.labels.data, part, new[band], changes)
            put(result.written, part, new[band], changes)
            changed.append(part)
        yield
    return kept


def _find_changes(
    target: npt.NDArray[Any],
    is_painted: Mask,
    new: npt.NDArray[np.integer],
    wanted: Mask | None,
    locked: Collection[int],
    mode: WriteMode,
    is_new: Mask | None,
    accepted: Mask | None,
) -> tuple[int, Mask | None]:
    """Return how many edited pixels are kept, and which pixels change.

    None where no pixel changes.
    """
    changes = target != new
    if wanted is not None:
        changes &= wanted
    if not changes.any():
        return 0, None
    kept = 0
    if mode != 'everywhere':
        is_edited = is_painted
        if accepted is not None:
            is_edited = is_painted | accepted
        if mode == 'unedited':
            is_barred = is_edited & changes
            kept = int(np.count_nonzero(is_barred))
        else:
            is_barred = target != 0
            if is_new is not None:
                # What came in the same run may change again.
                is_barred = np.where(is_new, is_edited, is_barred)
            if accepted is not None:
                is_barred |= accepted
            is_barred &= changes
            kept = int(np.count_nonzero(is_barred & is_edited))
        changes &= ~is_barred
    is_free = ~find_locked(locked, target, new)
    changes &= is_free
    return kept, changes if changes.any() else None


def _make_room(result: Result, dtype: np.dtype[Any]) -> None:
    layer = result.labels
    if not np.can_cast(dtype, layer.data.dtype):
        layer.data = widened(layer.data, dtype)
    if not np.can_cast(dtype, result.written.dtype):
        result.written = widened(result.written, dtype)
        share_written(result)
