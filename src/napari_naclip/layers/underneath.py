"""What the model says where it must not write: under edits, and what is right.

It is known from answers as they come; an undo of the edits shows it, and so
does taking back that it is right. What a change noted anew is taken back with
that change.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.engine.errors import StorageError
from napari_naclip.engine.outputs import zeros
from napari_naclip.layers.blocks import find_locked, put
from napari_naclip.layers.written import share_written

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

    from napari_naclip.layers.checkpoint import Checkpoint
    from napari_naclip.layers.labels import Result
    from napari_naclip.layers.write import WriteMode

    Mask = npt.NDArray[np.bool_]
    Index = tuple[int | slice, ...]


def present_model(result: Result, at: Index) -> npt.NDArray[Any]:
    """Return what the model says of a block by now, written or not."""
    written = np.asarray(result.written[at])
    if result.under is None:
        return written
    under = np.asarray(result.under[at])
    return np.where(under > 0, under - 1, written).astype(written.dtype)


def note_answer(
    result: Result,
    at: Index,
    is_held: Mask,
    new: npt.NDArray[np.integer],
    wanted: Mask | None,
    locked: Collection[int],
    mode: WriteMode,
) -> None:
    """Note an answer where it is not written, just before it is elsewhere.

    Parameters
    ----------
    result : Result
    at : tuple of int or slice
        What selects the block.
    is_held : bool array
        Where edits, and what was accepted, are and stay.
    new : array
        The answer.
    wanted : bool array, optional
        Which of it counts.
    locked : collection of int
    mode : WriteMode
    """
    if result.under is None and not is_held.any():
        return
    _make_notes(result)
    if result.under is None:
        # Then an undo shows what the model wrote last.
        return
    under = np.asarray(result.under[at])
    model = present_model(result, at)
    noted = is_held & (model != new)
    if mode == 'background':
        # Where it would write if nobody had painted.
        is_own = model == 0
        if result.checkpoint is not None and (
            result.checkpoint.under is not None
        ):
            is_own |= result.checkpoint.under[at] > 0
        noted &= is_own
    noted &= ~find_locked(locked, model, new)
    over = (under > 0) & ~is_held
    if wanted is not None:
        noted &= wanted
        over &= wanted
    moved = noted | over
    if not moved.any():
        return
    _remember(result, at, under, moved)
    after = np.where(noted, new.astype(np.uint32) + 1, 0)
    put(result.under, at, after.astype(np.uint32), moved)
    result.tell_changed(at)


def _make_notes(result: Result) -> None:
    """Make room to note what the model says, kept with the layer."""
    if result.under is None:
        result.under = _with_room(None, result.written.shape)
        share_written(result)


def _with_room(
    under: npt.NDArray[Any] | None, shape: tuple[int, ...]
) -> npt.NDArray[Any] | None:
    """Return where to note, made if there is none; None: no room for it."""
    if under is None:
        with contextlib.suppress(StorageError):
            return zeros(shape, np.uint32)
    return under


def forget_notes(result: Result, at: Index, where: Mask) -> None:
    """Note that the model says what is written to a block.

    Parameters
    ----------
    result : Result
    at : tuple of int or slice
    where : bool array
        Which of its pixels are written to.
    """
    if result.under is None:
        return
    under = np.asarray(result.under[at])
    moved = where & (under > 0)
    if moved.any():
        _remember(result, at, under, moved)
        put(result.under, at, np.zeros(where.shape, np.uint32), moved)


def _remember(
    result: Result, at: Index, under: npt.NDArray[Any], moved: Mask
) -> None:
    """Keep what was noted before a run, for what takes the run back."""
    journal = result.checkpoint
    if journal is None:
        return
    journal.under = _with_room(journal.under, result.written.shape)
    if journal.under is None:
        return
    # What it has written comes back with what was noted before.
    first = moved & (journal.under[at] == 0) & ~journal.is_touched[at]
    if first.any():
        put(journal.under, at, under + 1, first)
        plane = tuple(slice(None) if isinstance(i, slice) else i for i in at)
        key = tuple(None if isinstance(i, slice) else i for i in at)
        journal.noted.setdefault(key, plane)


def put_back_notes(
    result: Result,
    checkpoint: Checkpoint,
    at: Index,
    touched: Mask,
    held: Mask,
) -> None:
    """Take back what was noted in a block since a checkpoint.

    Parameters
    ----------
    result : Result
    checkpoint : Checkpoint
    at : tuple of int or slice
    touched : bool array
        Where what the model wrote is taken back: what was not noted then,
        was what it had written.
    held : bool array
        Where it is not.
    """
    if result.under is None:
        return
    put(result.under, at, np.zeros(touched.shape, np.uint32), touched)
    if checkpoint.under is not None:
        before = np.asarray(checkpoint.under[at])
        noted = (before > 0) & ~held
        put(result.under, at, before - (before > 0), noted)


def absorb_notes(
    earlier: Checkpoint, later: Checkpoint, at: Index, was_touched: Mask
) -> None:
    """Let the first of two checkpoints in a row know what both noted."""
    if later.under is None:
        return
    earlier.noted |= later.noted
    if earlier.under is None:
        earlier.under = zeros(later.under.shape, np.uint32)
    last = np.asarray(later.under[at])
    first = (last > 0) & (earlier.under[at] == 0) & ~was_touched
    put(earlier.under, at, last, first)


def uncover(result: Result, at: Index, where: Mask) -> bool:
    """Show what the model says where edits over it were undone.

    It counts as the model's, and ``revert`` finds it as it would be without
    those edits.

    Parameters
    ----------
    result : Result
    at : tuple of slice
        What selects the block.
    where : bool array
        Pixels that were the model's before the edits.

    Returns
    -------
    bool
        Whether any pixel has changed.
    """
    if result.accepted is not None:
        where = where & ~np.asarray(result.accepted[at])
    model = present_model(result, at)
    written = np.asarray(result.written[at])
    for journal in (result.checkpoint, result.previous):
        if journal is not None:
            _count_as_written(journal, at, written, where)
    moved = where & (np.asarray(result.labels.data[at]) != model)
    put(result.labels.data, at, model, moved)
    put(result.written, at, model, where)
    if result.under is not None:
        put(result.under, at, np.zeros(where.shape, np.uint32), where)
    result.tell_written(at)
    return bool(moved.any())


def _count_as_written(
    journal: Checkpoint, at: Index, written: npt.NDArray[Any], where: Mask
) -> None:
    """Let a checkpoint treat what was noted as if it had been written."""
    if journal.under is None:
        return
    under = np.asarray(journal.under[at])
    noted = where & (under > 0)
    first = noted & ~np.asarray(journal.is_touched[at])
    if first.any():
        journal.planes |= journal.noted
    before = np.where(under > 1, under - np.minimum(under, 2), written)
    for array in (journal.before, journal.model):
        if array is not None:
            put(array, at, before.astype(written.dtype), first)
    put(journal.is_touched, at, np.ones(where.shape, bool), first)
    put(journal.under, at, np.zeros(where.shape, np.uint32), noted)


def cover(
    result: Result, at: Index, before: npt.NDArray[Any], where: Mask
) -> None:
    """Let edits that are made again be edits, whatever the model says.

    Parameters
    ----------
    result : Result
    at : tuple of slice
        What selects the block.
    before : array
        What stood there before the edits were made first.
    where : bool array
        Pixels that were the model's then.
    """
    now = np.asarray(result.labels.data[at])
    agreed = where & (now == result.written[at])
    if not agreed.any():
        return
    _make_notes(result)
    if result.under is None:
        return
    put(result.under, at, now.astype(np.uint32) + 1, agreed)
    put(result.written, at, before.astype(result.written.dtype), agreed)
    result.tell_written(at)
