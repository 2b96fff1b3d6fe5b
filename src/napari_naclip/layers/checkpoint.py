"""What a run overwrote in a result, so that Cancel can take it back.

The run remembers on its way what it changes the first time; ``restore`` puts
that back, but never over what the person painted in the meantime.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.engine.outputs import (
    disk_errors_told,
    row_bands,
    widened,
    zeros,
)
from napari_naclip.layers.sync import METADATA_KEY, apply_appearance, read_list

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.layers import Labels

    from napari_naclip.layers.labels import Result
    from napari_naclip.layers.snapshot import PlaneSnapshot

    Mask = npt.NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class Checkpoint:
    """What a run overwrote, so that it can be taken back.

    Attributes
    ----------
    values : tuple of int
        Label values that had rows.
    metadata : dict
    before : array
        What stood where the run wrote, in the shape of the layer. Room is
        only taken by the parts that are written to, in memory or on the disk.
    is_touched : bool array
        Where the run wrote.
    planes : dict
        Indices of the planes that it wrote to.
    """

    values: tuple[int, ...]
    metadata: dict[str, Any]
    before: npt.NDArray[Any] = field(repr=False)
    is_touched: Mask = field(repr=False)
    planes: dict[tuple[int | None, ...], tuple[int | slice, ...]] = field(
        default_factory=dict
    )


def put(
    array: Any,
    at: tuple[int | slice, ...],
    values: npt.NDArray[Any],
    where: Mask,
) -> None:
    """Put values into a block of an array, in place, where a mask says.

    Layers may hold arrays of other kinds than numpy's.
    """
    block = array[at]
    if isinstance(array, np.ndarray):
        np.copyto(block, values, where=where)
    else:
        with disk_errors_told():
            array[at] = np.where(where, values, np.asarray(block))


def remember(
    result: Result,
    snapshot: PlaneSnapshot,
    at: tuple[int | slice, ...],
    changes: Mask,
) -> None:
    """Keep what stands in a block where a run changes it the first time."""
    journal = result.checkpoint
    if journal is None:
        return
    first = changes & ~journal.is_touched[at]
    # Not edited, so that this is what the model wrote, too.
    if not np.can_cast(result.written.dtype, journal.before.dtype):
        journal.before = widened(journal.before, result.written.dtype)
    # It is 0 already: untouched memory takes no room and no time.
    first &= result.written[at] != 0
    if first.any():
        put(journal.before, at, result.written[at], first)
    journal.is_touched[at] |= changes
    key = tuple(None if isinstance(i, slice) else i for i in snapshot.index)
    journal.planes[key] = snapshot.index


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


def end_checkpoint(result: Result) -> None:
    """Stop remembering, when a run is done; frees the memory."""
    result.checkpoint = None


def restore(result: Result, checkpoint: Checkpoint) -> None:
    """Take back what a run wrote since a checkpoint.

    Where the person painted in the meantime, that stays; so do names and
    colors of classes that were there before.
    """
    result.checkpoint = None
    _put_back(result, checkpoint)
    result.rows = {
        value: row
        for value, row in result.rows.items()
        if value in checkpoint.values
    }
    apply_appearance(result, ())
    _restore_recipe(result.labels, checkpoint)
    result.labels.refresh(extent=False)


def revert(result: Result) -> None:
    """Bring back the labels from before the model's last change, once.

    Where the person painted in the meantime, that stays; so do all rows.
    Nothing happens where nothing is known of them.
    """
    previous, result.previous = result.previous, None
    if previous is not None:
        _put_back(result, previous)
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
    if not np.can_cast(later.before.dtype, earlier.before.dtype):
        earlier.before = widened(earlier.before, later.before.dtype)
    for key, at in later.planes.items():
        first = later.is_touched[at] & ~earlier.is_touched[at]
        put(earlier.before, at, later.before[at], first)
        earlier.is_touched[at] |= first
        earlier.planes.setdefault(key, at)


def _put_back(result: Result, checkpoint: Checkpoint) -> None:
    layer = result.labels
    if tuple(layer.data.shape) != checkpoint.before.shape:
        return
    for at in checkpoint.planes.values():
        target, written = np.asarray(layer.data[at]), result.written[at]
        touched, before = checkpoint.is_touched[at], checkpoint.before[at]
        put(layer.data, at, before, touched & (target == written))
        put(result.written, at, before, touched)


def _restore_recipe(layer: Labels, checkpoint: Checkpoint) -> None:
    own = checkpoint.metadata.get(METADATA_KEY, {})
    content = read_list(layer)
    if content is not None:
        own = {**own, 'list': content}
    layer.metadata = {**layer.metadata, METADATA_KEY: own}
