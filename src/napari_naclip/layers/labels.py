"""The result in the viewer: an ordinary Labels layer, made and updated.

What a person edited is known by comparing with what the model wrote last:
that holds for every brush, for undo and for other plugins. The layer has all
axes and the full shape of its level, so that it moves with the sliders and
regions are parts of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.engine.outputs import (
    least_rows,
    row_bands,
    widened,
    zeros,
)
from napari_naclip.engine.types import Region, Segmentation
from napari_naclip.layers.checkpoint import (
    Checkpoint,
    checkpoint,
    end_checkpoint,
    has_edits,
    put,
    remember,
    restore,
    revert,
)
from napari_naclip.layers.geometry import matching_transform
from napari_naclip.layers.placing import (
    intersect,
    layer_bands,
    place_of,
    wanted_in,
)
from napari_naclip.layers.sync import (
    METADATA_KEY,
    LabelRow,
    apply_appearance,
    make_colormap,
    make_features,
    shown_colors,
    store_recipe,
    to_label_rows,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Generator

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

    from napari_naclip.engine.classes import ClassList
    from napari_naclip.layers.snapshot import PlaneSnapshot

    Mask = npt.NDArray[np.bool_]


#: Locked classes up to which comparing with each is faster than a search.
_MOST_COMPARED = 16

__all__ = [
    'Checkpoint',
    'Result',
    'accepts',
    'add_result',
    'checkpoint',
    'end_checkpoint',
    'has_edits',
    'restore',
    'revert',
    'update_result',
    'write_region',
    'write_steps',
]


@dataclass(slots=True, eq=False)
class Result:
    """A Labels layer with what the model wrote into it.

    Attributes
    ----------
    image, labels : layer
        Held by reference: names may change. No image where the labels lie on
        none, such as those whose image was removed.
    rows : dict of int to LabelRow
        Every row that the layer ever had, by label value: a class that was
        removed may still have painted pixels, and its value is never given
        to another.
    written : array
        What the model wrote last, in the shape of the layer; 0 where it
        never wrote. Room is only taken by the parts that are written to, in
        memory or on the disk.
    checkpoint : Checkpoint or None
        Of the run that is writing.
    previous : Checkpoint or None
        What the last change of model labels overwrote; see ``revert``.
    """

    image: Image | None
    labels: Labels
    rows: dict[int, LabelRow]
    written: npt.NDArray[Any] = field(repr=False)
    checkpoint: Checkpoint | None = field(default=None, repr=False)
    previous: Checkpoint | None = field(default=None, repr=False)


def accepts(result: Result, snapshot: PlaneSnapshot) -> bool:
    """Return whether a plane has a place in a result's layer."""
    return (
        tuple(result.labels.data.shape) == snapshot.shape
        and result.written.shape == snapshot.shape
    )


def add_result(
    viewer: ViewerModel,
    image: Image,
    snapshot: PlaneSnapshot,
    classes: ClassList | Segmentation,
    recipe: dict[str, Any] | None = None,
) -> Result:
    """Add a Labels layer on an image and return the new result.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    image : napari.layers.Image
    snapshot : PlaneSnapshot
        Any of the run: its level decides the layer's shape and place.
    classes : ClassList or Segmentation
        Names and colors of the layer, which is empty (0) at first; a
        segmentation is written into it.
    recipe : dict, optional
        How the content is made.

    Raises
    ------
    StorageError
        If there is no room for an array of the image's size, neither in
        memory nor on the disk.
    """
    if isinstance(classes, Segmentation):
        result = add_result(
            viewer, image, snapshot, classes.classes, classes.recipe
        )
        write_region(result, snapshot, classes.labels)
        return result
    rows = to_label_rows(classes.rows)
    labels = viewer.add_labels(
        zeros(snapshot.shape, classes.label_dtype),
        name=f'{image.name} labels',
        colormap=make_colormap(rows),
        features=make_features(rows),
        metadata={METADATA_KEY: dict(recipe or {})},
        **matching_transform(image, snapshot.downsample_factors),
    )
    labels.selected_label = classes.classes[0].value
    return Result(
        image=image,
        labels=labels,
        rows=rows,
        written=zeros(snapshot.shape, classes.label_dtype),
    )


def write_region(
    result: Result,
    snapshot: PlaneSnapshot,
    labels: npt.NDArray[np.unsignedinteger],
    region: Region | None = None,
    mask: Mask | None = None,
    locked: Collection[int] = frozenset(),
) -> int:
    """Write at once what ``write_steps`` writes; return what it returns."""
    steps = write_steps(result, snapshot, labels, region, mask, locked)
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        kept: int = stop.value
        return kept


def write_steps(
    result: Result,
    snapshot: PlaneSnapshot,
    labels: npt.NDArray[np.unsignedinteger],
    region: Region | None = None,
    mask: Mask | None = None,
    locked: Collection[int] = frozenset(),
) -> Generator[None, None, int]:
    """Write labels where the person has not edited; return pixels kept.

    In place, which leaves the layer's undo history usable. Nothing outside
    the snapshot's own region and mask is written, and no pixel of a locked
    class changes or is added.

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
    _make_room(result, labels.dtype)
    kept, is_changed = 0, False
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
            new = snapshot.orient(labels[own])
            wanted = None if wanted is None else snapshot.orient(wanted)
            # What is made on the way then stays in the processor's cache.
            for band, part in layer_bands(
                snapshot.index_of(inner),
                new.shape,
                least_rows(result.labels.data),
            ):
                more, changes = _find_changes(
                    np.asarray(result.labels.data[part]),
                    result.written[part],
                    new[band],
                    None if wanted is None else wanted[band],
                    locked,
                )
                kept += more
                if changes is not None:
                    remember(result, snapshot, part, changes)
                    put(result.labels.data, part, new[band], changes)
                    put(result.written, part, new[band], changes)
                    is_changed = True
                yield
    finally:
        # What is left half done is seen, too.
        if is_changed:
            result.labels.refresh(extent=False)
    return kept


def _find_changes(
    target: npt.NDArray[Any],
    written: npt.NDArray[Any],
    new: npt.NDArray[np.unsignedinteger],
    wanted: Mask | None,
    locked: Collection[int],
) -> tuple[int, Mask | None]:
    """Return how many edited pixels are kept, and which pixels change.

    None where no pixel changes.
    """
    changes = target != new
    if wanted is not None:
        changes &= wanted
    if not changes.any():
        return 0, None
    is_edited = target != written
    is_edited &= changes
    kept = int(np.count_nonzero(is_edited))
    changes &= ~is_edited
    if len(locked) > _MOST_COMPARED:
        fixed = list(locked)
        changes &= ~(np.isin(target, fixed) | np.isin(new, fixed))
    else:
        for value in locked:
            changes &= target != value
            changes &= new != value
    return kept, changes if changes.any() else None


def _make_room(result: Result, dtype: np.dtype[Any]) -> None:
    layer = result.labels
    if not np.can_cast(dtype, layer.data.dtype):
        layer.data = widened(layer.data, dtype)
    if not np.can_cast(dtype, result.written.dtype):
        result.written = widened(result.written, dtype)


def update_result(
    result: Result, snapshot: PlaneSnapshot, segmentation: Segmentation
) -> int:
    """Write a whole result where the person has not edited; return kept.

    Colors that the layer shows win over those of the segmentation.
    """
    kept = write_region(result, snapshot, segmentation.labels)
    shown = shown_colors(result.labels)
    rows = to_label_rows(segmentation.classes.rows)
    apply_appearance(
        result,
        [
            replace(row, color=shown.get(value, row.color))
            for value, row in rows.items()
        ],
    )
    store_recipe(result.labels, segmentation.recipe)
    return kept
