"""What a run overwrote in a result, so that Cancel can take it back.

The run remembers on its way what it changes the first time; ``restore`` puts
that back, but never over what the person painted in the meantime. Edits that
a run was told to overwrite come back as edits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.engine.outputs import row_bands, widened, zeros
from napari_naclip.layers.blocks import find_locked, put
from napari_naclip.layers.placing import block_bands
from napari_naclip.layers.sync import METADATA_KEY, apply_appearance, read_list
from napari_naclip.layers.underneath import absorb_notes, put_back_notes

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt
    from napari.layers import Labels

    from napari_naclip.layers.labels import Result

    Mask = npt.NDArray[np.bool_]
    Index = tuple[int | slice, ...]


@dataclass(slots=True, eq=False)
class Checkpoint:
    """What a run overwrote, so that it can be taken back.

    Attributes
    ----------
    values : tuple of int
        Label values that had rows.
    metadata : dict
    before : array
        What stood where the run wrote, in the shape of the layer: the last
        edit that it overwrote, if any, or what the model had written. Room is
        only taken by the parts that are written to, in memory or on the
        disk.
    is_touched : bool array
        Where the run wrote.
    planes : dict
        Indices of the planes that it wrote to.
    model : array or None
        What the model had written where the run wrote. None: the same as
        ``before``, as long as no edit was overwritten.
    is_new : bool array or None
        Where it was written since the checkpoint was resumed. None: it was
        not, ``is_touched`` tells.
    accepted : bool array or None
        Pixels that the person had accepted, and that were overwritten or
        given back since. None: none.
    under : array or None
        What was noted under edits before other things were noted there, plus
        1; 0 where none were. None: nowhere. See ``underneath``.
    noted : dict
        Indices of the planes of that.
    """

    values: tuple[int, ...]
    metadata: dict[str, Any]
    before: npt.NDArray[Any] = field(repr=False)
    is_touched: Mask = field(repr=False)
    planes: dict[tuple[int | None, ...], tuple[int | slice, ...]] = field(
        default_factory=dict
    )
    model: npt.NDArray[Any] | None = field(default=None, repr=False)
    is_new: Mask | None = field(default=None, repr=False)
    accepted: Mask | None = field(default=None, repr=False)
    under: npt.NDArray[Any] | None = field(default=None, repr=False)
    noted: dict[tuple[int | None, ...], tuple[int | slice, ...]] = field(
        default_factory=dict
    )


def remember(
    result: Result, at: Index, target: npt.NDArray[Any], changes: Mask
) -> None:
    """Keep what stands in a block where a run is about to change it.

    Parameters
    ----------
    result : Result
    at : tuple of int or slice
        What selects the block.
    target : array
        What stands there.
    changes : bool array
        Where it changes.
    """
    journal = result.checkpoint
    if journal is None:
        return
    written = result.written[at]
    is_touched = journal.is_touched[at]
    first = changes & ~is_touched
    edits = changes & (target != written)
    if edits.any():
        model = _find_model(journal, written.dtype)
        put(model, at, written, first)
        # Over what the run itself had written, too: that need not be kept,
        # an edit must.
        _fit(journal, target.dtype)
        put(journal.before, at, target, edits)
    elif journal.model is not None:
        put(_find_model(journal, written.dtype), at, written, first)
    _fit(journal, written.dtype)
    # It is 0 already: untouched memory takes no room and no time.
    plain = first & ~edits
    plain &= written != 0
    if plain.any():
        put(journal.before, at, written, plain)
    journal.is_touched[at] |= changes
    if journal.is_new is not None:
        journal.is_new[at] |= changes
    _note_plane(journal, at)


def forget_accepted(result: Result, at: Index, where: Mask | None) -> None:
    """Let pixels of a block count as accepted no more.

    A checkpoint that is open remembers which.

    Parameters
    ----------
    result : Result
    at : tuple of int or slice
    where : bool array, optional
        Which of them; all by default.
    """
    if result.accepted is None:
        return
    gone = np.array(result.accepted[at])
    if where is not None:
        gone &= where
    if not gone.any():
        return
    result.accepted[at] &= ~gone
    result.tell_changed(at)
    journal = result.checkpoint
    if journal is not None:
        if journal.accepted is None:
            journal.accepted = zeros(result.accepted.shape, np.dtype(bool))
        journal.accepted[at] |= gone
        _note_plane(journal, at)


def _note_plane(journal: Checkpoint, at: Index) -> None:
    plane = tuple(slice(None) if isinstance(i, slice) else i for i in at)
    journal.planes.setdefault(_key(plane), plane)


def _key(plane: Index) -> tuple[int | None, ...]:
    return tuple(None if isinstance(i, slice) else i for i in plane)


def _fit(journal: Checkpoint, dtype: np.dtype[Any]) -> None:
    """Make room in a checkpoint for labels of a type."""
    if not np.can_cast(dtype, journal.before.dtype):
        wider = np.promote_types(dtype, journal.before.dtype)
        journal.before = widened(journal.before, wider)


def _find_model(journal: Checkpoint, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return what the model had written; it is an array from now on."""
    model, before = journal.model, journal.before
    if model is None:
        model = zeros(before.shape, before.dtype)
        for plane in journal.planes.values():
            for at in block_bands(plane, before):
                model[at] = before[at]
    if not np.can_cast(dtype, model.dtype):
        model = widened(model, np.promote_types(dtype, model.dtype))
    journal.model = model
    return model


def checkpoint(result: Result) -> Checkpoint:
    """Begin to remember what a run overwrites, for ``restore``.

    Raises
    ------
    StorageError
        If there is no room for it, neither in memory nor on the disk.
    """
    shape = result.written.shape
    result.checkpoint = Checkpoint(
        values=tuple(result.rows),
        metadata=dict(result.labels.metadata),
        before=zeros(shape, result.written.dtype),
        is_touched=zeros(shape, np.dtype(bool)),
    )
    return result.checkpoint


def resume_edits(result: Result) -> Checkpoint | None:
    """Go on with what ``revert`` would bring back, if a person made that.

    They would be lost if another checkpoint took its place.

    Raises
    ------
    StorageError
        If there is no room for it.
    """
    previous = result.previous
    if (
        previous is None
        or (previous.model is None and previous.accepted is None)
        or previous.before.shape != result.written.shape
    ):
        return None
    previous.is_new = zeros(previous.before.shape, np.dtype(bool))
    result.checkpoint = previous
    return previous


def end_checkpoint(result: Result) -> None:
    """Stop remembering, when a run is done; frees the memory."""
    result.checkpoint = None


def restore(
    result: Result,
    checkpoint: Checkpoint,
    locked: Collection[int] = frozenset(),
) -> None:
    """Take back what a run wrote since a checkpoint.

    Where the person painted in the meantime, that stays; so do names and
    colors of classes that were there before.

    Parameters
    ----------
    result : Result
    checkpoint : Checkpoint
    locked : collection of int
        Values of classes that were locked since: their pixels stay.
    """
    result.checkpoint = None
    _put_back(result, checkpoint, locked)
    result.rows = {
        value: row
        for value, row in result.rows.items()
        if value in checkpoint.values or value in locked
    }
    apply_appearance(result, ())
    _restore_recipe(result.labels, checkpoint)
    result.labels.refresh(extent=False)


def revert(result: Result, locked: Collection[int] = frozenset()) -> None:
    """Bring back the labels from before the model's last change, once.

    Where the person painted in the meantime, that stays; so do all rows and
    the pixels of locked classes. Nothing happens where nothing is known of
    them.
    """
    previous, result.previous = result.previous, None
    if previous is not None:
        _put_back(result, previous, locked)
        _restore_recipe(result.labels, previous)
        result.labels.refresh(extent=False)


def has_edits(result: Result) -> bool:
    """Return whether a person changed any pixel of a result."""
    data, written = result.labels.data, result.written
    if tuple(data.shape) != written.shape:
        return True
    # Some rows at a time: comparing a whole stack would need its size again.
    return any(
        not np.array_equal(np.asarray(data[at]), written[at])
        for plane in np.ndindex(*written.shape[:-2])
        for rows in row_bands(written)
        for at in [(*plane, rows)]
    )


def absorb(earlier: Checkpoint, later: Checkpoint) -> None:
    """Make the first of two checkpoints in a row one of both."""
    _fit(earlier, later.before.dtype)
    is_edit_lost = later.model is not None
    for key, plane in (later.noted | later.planes).items():
        for at in block_bands(plane, later.before):
            was_touched = np.array(earlier.is_touched[at])
            first = later.is_touched[at] & ~was_touched
            before = later.before[at]
            if is_edit_lost or earlier.model is not None:
                later_model = (
                    before if later.model is None else later.model[at]
                )
                model = _find_model(earlier, later_model.dtype)
                put(model, at, later_model, first)
                edits = later.is_touched[at] & (before != later_model)
                put(earlier.before, at, before, edits)
            put(earlier.before, at, before, first)
            absorb_notes(earlier, later, at, was_touched)
            if later.accepted is not None:
                # Not what was accepted of the labels in between.
                if earlier.accepted is None:
                    earlier.accepted = zeros(
                        later.accepted.shape, np.dtype(bool)
                    )
                earlier.accepted[at] |= later.accepted[at] & ~was_touched
            earlier.is_touched[at] |= first
        if key in later.planes:
            earlier.planes.setdefault(key, plane)


def _put_back(
    result: Result, checkpoint: Checkpoint, locked: Collection[int]
) -> None:
    layer = result.labels
    if tuple(layer.data.shape) != checkpoint.before.shape:
        return
    # Else something may go back where nothing was written.
    goes_by_touch = checkpoint.under is None and checkpoint.accepted is None
    for plane in (checkpoint.noted | checkpoint.planes).values():
        fixed = set(locked)
        if 0 in fixed and not _had_labels(checkpoint, plane):
            # 0 meant no class then.
            fixed.discard(0)
        for at in block_bands(plane, layer.data, result.written):
            touched = checkpoint.is_touched[at]
            if goes_by_touch and not touched.any():
                # Most of a large plane, where a run had only begun.
                continue
            target, written = np.asarray(layer.data[at]), result.written[at]
            before = checkpoint.before[at]
            back = touched & (target == written)
            was_touched = touched
            held = back & find_locked(fixed, target, before)
            back &= ~held
            touched = touched & ~held
            model = (
                before if checkpoint.model is None else checkpoint.model[at]
            )
            put(layer.data, at, before, back)
            put(result.written, at, model, touched)
            put_back_notes(result, checkpoint, at, touched, held)
            if checkpoint.accepted is not None and (
                result.accepted is not None
            ):
                # Only with the labels that were accepted.
                result.accepted[at] |= checkpoint.accepted[at] & ~(
                    was_touched & ~back
                )
        result.tell_written(plane)


def _had_labels(checkpoint: Checkpoint, plane: Index) -> bool:
    """Return whether there was anything where a plane was touched."""
    return any(
        checkpoint.before[at][checkpoint.is_touched[at]].any()
        for at in block_bands(plane, checkpoint.before)
    )


def _restore_recipe(layer: Labels, checkpoint: Checkpoint) -> None:
    own = checkpoint.metadata.get(METADATA_KEY, {})
    content = read_list(layer)
    if content is not None:
        own = {**own, 'list': content}
    layer.metadata = {**layer.metadata, METADATA_KEY: own}
